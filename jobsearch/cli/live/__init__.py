"""The live shell: a full-screen search whose results change while one types.

```
messages ◄── page ◄── state ◄── view ◄── app ──► worker ──► answering ──► engine
                                             ──► preparing ──► building (a process of its own)
```

`state` decides, `view` draws, `worker` asks the engine aside, `preparing` gets what a comparison needs, and `app` alone
knows prompt_toolkit's application.
"""
