"""llama.cpp's own choice of tensor types, asked of the library beside the llama-server of the tests."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ctypes import (
    CDLL,
    POINTER,
    Structure,
    addressof,
    byref,
    c_bool,
    c_char,
    c_char_p,
    c_int,
    c_int64,
    c_size_t,
    c_uint32,
    c_void_p,
)
from pathlib import Path

Named = tuple[str, tuple[int, ...]]
_COMPUTE = "_Z25llama_quant_compute_typesP19quantize_state_impl11llama_ftypePP11ggml_tensorP9ggml_typem"


class _Description(Structure):
    _fields_ = [("architecture", c_char_p)] + [
        (name, c_uint32)
        for name in (
            "n_embd",
            "n_ff",
            "n_layer",
            "n_head",
            "n_head_kv",
            "n_expert",
            "n_embd_head_k",
            "n_embd_head_v",
        )
    ]


class _ContextParams(Structure):
    _fields_ = [("mem_size", c_size_t), ("mem_buffer", c_void_p), ("no_alloc", c_bool)]


class _QuantizeParams(Structure):
    """Only passed on; larger than the engine's own, which fills it."""

    _fields_ = [("opaque", c_char * 1024)]


class Quantizer:
    """The functions of libllama (staging interface, so their names are those of C++) that choose types."""

    def __init__(self, folder: Path) -> None:
        self.ggml = CDLL(str(folder / "libggml-base.so.0"))
        self.llama = CDLL(str(folder / "libllama.so.0"))
        self.ggml.ggml_init.restype = c_void_p
        self.ggml.ggml_init.argtypes = [_ContextParams]
        self.ggml.ggml_new_tensor_4d.restype = c_void_p
        self.ggml.ggml_new_tensor_4d.argtypes = [c_void_p, c_int, *[c_int64] * 4]
        self.ggml.ggml_set_name.argtypes = [c_void_p, c_char_p]
        self.ggml.ggml_free.argtypes = [c_void_p]
        self.ggml.ggml_tensor_overhead.restype = c_size_t
        self.llama.llama_model_quantize_default_params.restype = _QuantizeParams
        self.init = self.llama._Z16llama_quant_initPK11llama_modelPK27llama_model_quantize_params
        self.init.restype = c_void_p
        self.init.argtypes = [c_void_p, c_void_p]
        self.free = self.llama._Z16llama_quant_freeP19quantize_state_impl
        self.free.argtypes = [c_void_p]
        self.mock = self.llama._Z31llama_quant_model_from_metadataPK22llama_quant_model_desc
        self.mock.restype = c_void_p
        self.mock.argtypes = [POINTER(_Description)]
        self.compute = getattr(self.llama, _COMPUTE)
        self.compute.argtypes = [c_void_p, c_int, POINTER(c_void_p), POINTER(c_int), c_size_t]
        self.allows = (
            self.llama._Z38llama_quant_tensor_allows_quantizationPK19quantize_state_implPK11ggml_tensor
        )
        self.allows.restype = c_bool
        self.allows.argtypes = [c_void_p, c_void_p]

    @contextmanager
    def model(self, architecture: str, tensors: Sequence[Named], **numbers: int) -> Iterator["Model"]:
        """A model of these tensors, in f32."""
        description = _Description(architecture=architecture.encode(), **numbers)
        mock = self.mock(byref(description))
        params = self.llama.llama_model_quantize_default_params()
        state = self.init(mock, addressof(params))
        context = self.ggml.ggml_init(
            _ContextParams(self.ggml.ggml_tensor_overhead() * (len(tensors) + 1), None, True)
        )
        try:
            yield Model(self, state, context, tensors)
        finally:
            self.ggml.ggml_free(context)
            self.free(state)


class Model:
    """The tensors of one model that the engine quantizes."""

    def __init__(self, quantizer: Quantizer, state: int, context: int, tensors: Sequence[Named]) -> None:
        self.quantizer, self.state = quantizer, state
        self.tensors: list[tuple[str, int]] = []
        for name, shape in tensors:
            dimensions = (*shape, *[1] * (4 - len(shape)))
            tensor = quantizer.ggml.ggml_new_tensor_4d(context, 0, *dimensions)
            quantizer.ggml.ggml_set_name(tensor, name.encode())
            if quantizer.allows(state, tensor):
                self.tensors.append((name, tensor))

    def types(self, file_type: int) -> dict[str, int]:
        """The ggml type of every tensor that the engine quantizes."""
        n = len(self.tensors)
        pointers, found = (c_void_p * n)(*(t for _, t in self.tensors)), (c_int * n)()
        self.quantizer.compute(self.state, file_type, pointers, found, n)
        return {name: found[i] for i, (name, _) in enumerate(self.tensors)}
