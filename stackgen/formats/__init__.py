"""Headers of weights files, from bytes to types; the bytes come from elsewhere."""
