"""What a record of the ESCO web API says: which parts are kept, and what they become in a taxonomy.

Put together from clients in the wild and the OpenAPI text, so reading is lenient: a field may be absent, a list may
be a single value, a link may stand in `_links` or beside it, and be an object with a `uri` or the URI alone.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jobsearch.taxonomy.gender import split_forms
from jobsearch.taxonomy.hierarchy import with_isco_groups
from jobsearch.taxonomy.labels import clean_label, clean_labels
from jobsearch.taxonomy.model import STRENGTHS, Broader, Concept, Group, Kind, Relation, SkillRelation
from jobsearch.taxonomy.webapi_cache import Record

_CONCEPT = re.compile(r"/esco/(occupation|skill)/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$", re.IGNORECASE)
_ISCO_GROUP = re.compile(r"/esco/isco/C(\d+)$")
_BROADER = ("broaderIscoGroup", "broaderOccupation", "broaderSkill", "broaderConcept", "broaderHierarchyConcept")
_LINKS = (*_BROADER, "hasEssentialSkill", "hasOptionalSkill", "hasSkillType", "hasReuseLevel")
_SKILL_TYPES = {"skill": "skill/competence", "knowledge": "knowledge"}
_REUSE_LEVELS = frozenset({"transversal", "cross-sector", "sector-specific", "occupation-specific"})


def kind_of(uri: str) -> Kind | None:
    """Tell occupations and skills from the ISCO and skill groups that some listings hold as well (None)."""
    found = _CONCEPT.search(uri)
    if found is None:
        return None
    return "occupation" if found[1].lower() == "occupation" else "skill"


def is_full(raw: Mapping[str, Any]) -> bool:
    """Tell a full record from a listing's abstract of one, which lacks the links."""
    return isinstance(raw.get("preferredLabel"), dict) and isinstance(raw.get("_links"), dict)


def trim(raw: Mapping[str, Any]) -> Record:
    """Keep what this package uses of a full record, in all languages and in one shape: about a third of it.

    A label in a regional form ("en-us") counts as an alternative label of the language.
    """
    preferred: dict[str, str] = {}
    others: dict[str, list[str]] = {}
    for key, labels in _by_language(raw.get("preferredLabel")):
        language = key.split("-")[0]
        for label in labels:
            if key == language and language not in preferred:
                preferred[language] = label
            else:
                others.setdefault(language, []).append(label)
    # `alternativeTerms` is what some versions give in its place: the same labels, with the gender they stand for.
    for name in ("alternativeLabel", "alternativeTerms", "hiddenLabel"):
        for key, labels in _by_language(raw.get(name)):
            others.setdefault(key.split("-")[0], []).extend(labels)
    descriptions = {key: labels[0] for key, labels in _by_language(raw.get("description")) if labels}
    links = {name: uris for name in _LINKS if (uris := _linked(raw, name))}
    if "hasSkillType" not in links and (uris := _linked(raw, "skillType")):
        links["hasSkillType"] = uris
    return {
        "uri": raw["uri"],
        "code": str(raw.get("code") or ""),
        "status": str(raw.get("status") or ""),
        "preferred": preferred,
        "others": others,
        "descriptions": descriptions,
        "links": links,
    }


@dataclass
class Gathered:
    """What many records come to: the parts of a taxonomy, and what was left out, by reason."""

    concepts: list[Concept] = field(default_factory=list)
    relations: list[Relation] = field(default_factory=list)
    skill_relations: list[SkillRelation] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    broader: list[Broader] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)


def gather(records: Iterable[Record], languages: Sequence[str]) -> Gathered:
    """Turn trimmed records into concepts, relations and groups in `languages`; a URI that comes again is passed over.

    Labels are cleaned; the single forms of labels that hold both genders become alternative labels. A concept
    without a preferred label in a language has no record in that language, and is counted.
    """
    out = Gathered()
    seen: set[str] = set()
    for record in records:
        uri = record["uri"]
        if uri in seen:
            continue
        seen.add(uri)
        if record["status"].lower() not in ("", "released"):
            out.skipped[f"status {record['status']}"] += 1
            continue
        links = record["links"]
        out.broader.extend(
            Broader(uri, above) for name in _BROADER for above in links.get(name, ()) if "/concept-scheme/" not in above
        )
        kind = kind_of(uri)
        if kind is None:
            out.groups.extend(_groups(record, languages))
            continue
        out.concepts.extend(_concepts(record, kind, languages, out.skipped))
        for strength in STRENGTHS:
            for skill in links.get(f"has{strength.capitalize()}Skill", ()):
                if kind == "occupation":
                    out.relations.append(Relation(uri, skill, strength))
                else:
                    out.skill_relations.append(SkillRelation(uri, skill, strength))
    out.concepts[:] = with_isco_groups(out.concepts, out.broader)
    return out


def _groups(record: Record, languages: Sequence[str]) -> Iterator[Group]:
    uri = record["uri"]
    isco = _ISCO_GROUP.search(uri)
    code = isco[1] if isco else record["code"] or uri.rsplit("/", 1)[-1]
    for language in languages:
        if label := clean_label(record["preferred"].get(language, "")):
            yield Group(uri, code, label, language)


def _concepts(record: Record, kind: Kind, languages: Sequence[str], skipped: Counter[str]) -> Iterator[Concept]:
    links, code = record["links"], record["code"]
    isco = next((found[1] for uri in links.get("broaderIscoGroup", ()) if (found := _ISCO_GROUP.search(uri))), None)
    level = _last_segment(links.get("hasReuseLevel"))
    for language in languages:
        given = (record["preferred"].get(language, ""), *record["others"].get(language, ()))
        labels = clean_labels(given[0], given[1:])
        skipped["empty labels"] += labels.empty
        skipped["repeated labels"] += labels.repeated
        if not labels.preferred:
            skipped[f"no preferred label in {language}"] += 1
            continue
        forms: list[str] = []
        if kind == "occupation":
            for label in (labels.preferred, *labels.alternatives):
                forms.extend(split_forms(label, language))
        yield Concept(
            uri=record["uri"],
            kind=kind,
            preferred_label=labels.preferred,
            alternative_labels=clean_labels(labels.preferred, [*labels.alternatives, *forms]).alternatives,
            language=language,
            isco_group=isco if kind == "occupation" else None,
            description=record["descriptions"].get(language, "").strip() or None,
            code=code or None,
            skill_type=_SKILL_TYPES.get(_last_segment(links.get("hasSkillType"))) if kind == "skill" else None,
            reuse_level=level if level in _REUSE_LEVELS else None,
        )


def _by_language(value: Any) -> Iterator[tuple[str, list[str]]]:
    if isinstance(value, dict):
        for language, entry in value.items():
            yield str(language).lower(), _texts(entry)


def _texts(value: Any) -> list[str]:
    """The strings of a label field, which is a string, a list, or holds objects with a `literal` or a `label`."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return _texts(value.get("literal", value.get("label")))
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    return []


def _linked(raw: Mapping[str, Any], name: str) -> list[str]:
    links = raw.get("_links")
    value = links.get(name) if isinstance(links, dict) and name in links else raw.get(name)
    entries = value if isinstance(value, list) else [value]
    uris = [entry.get("uri") if isinstance(entry, dict) else entry for entry in entries]
    return [uri for uri in uris if isinstance(uri, str) and uri]


def _last_segment(uris: Sequence[str] | None) -> str:
    return uris[0].rsplit("/", 1)[-1] if uris else ""
