"""The lock: every outside fact of a stack, pinned. Compared by request, never by a hash of the text."""
