"""A better encoder, with proof: pairs from a taxonomy, Siamese training, gates."""
