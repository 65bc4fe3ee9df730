"""What a file does not say about its architecture, one small table per mechanism.

Almost everything comes from metadata keys and tensor names, so an architecture that is not listed here but
uses known mechanisms is computed all the same. A new family is a row in one of these modules, or a module.
Sources: llama.cpp build 11434, `src/models/*.cpp` (`load_arch_hparams`) and `src/llama-model.cpp`.
"""
