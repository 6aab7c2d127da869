"""Words: how alike two texts are by their letters, and how that is put together with what they mean."""
