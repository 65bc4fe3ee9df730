"""llama.cpp's worst-case graph, split and allocated as ggml would: where compute buffer sizes come from."""
