"""The memory of ExLlama: weights, paged caches, states per conversation, and what a prompt takes while it is read."""
