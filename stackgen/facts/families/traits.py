"""How architectures compute where neither keys nor tensors tell; only what changes memory is listed.

| trait | meaning |
|---|---|
| `no_cache` | an encoder or diffusion model: attention within the batch, nothing kept |
| `idle_cache` | a cache is kept although attention stays within the batch |
| `no_head` | the result is embeddings: no logits, and no second copy of the embedding matrix |
| `no_logits` | the result is embeddings, although the output matrix is loaded |
| `tied_twice` | a missing output matrix is a second copy of the embedding wherever it is |
| `head_on_input` | a missing output matrix is the embedding itself, used where that is |
| `padded_values` | without flash attention layers without attention keep values all the same |
| `no_rope` | no rotary positions |
| `rope_in_windows` | rotary positions in the layers with a window alone |
| `rope_not_every_4th` | every fourth layer has none |
| `late_norm_output` | the wanted rows are picked after the final norm of all rows |
| `late_output` | the wanted rows are picked after the last block, not inside it |
| `normed_values` | values are normalised before they are cached |
| `scaled_queries` | queries are scaled before attention, one more operation a block |
| `large_graph` | the engine sets aside more room for the graph than for others |
| `residual_before_attention` | of the three parts of a parallel block, attention is added last |
| `residual_first` | the residual is the first operand of its sums |
| `residual_first_once` | only of the sum after attention |
| `plain_norms` | norms without weights, so that the file does not show them |
| `early_router` | experts are chosen by the block's input |
| `norm_first` | a block's first norm is computed before its state is touched |
| `scaled_embeddings` | embeddings are scaled by an input of one number a token |
| `softmax_after_top_k` | experts are chosen by raw scores, and weighted by a softmax over the chosen ones |
| `own_selection` | experts are chosen by a function of their scores that only the choice uses |
| `raw_expert_weights` | the weights of the chosen experts are not normalised |
| `weight_before_experts` | a token is weighted before it goes through its experts |
| `checked` | the compute model was compared with the engine for this architecture |
| `no_mixed_batch` | tokens and embeddings cannot share a batch, so the third input path is missing |
"""

from typing import Final

_ENCODERS = (
    "bert",
    "jina-bert-v2",
    "jina-bert-v3",
    "nomic-bert",
    "nomic-bert-moe",
    "neo-bert",
    "eurobert",
    "modern-bert",
    "gemma-embedding",
    "llama-embed",
)
_DIFFUSION = ("dream", "llada", "llada-moe", "rnd1")
_NO_ROPE = (
    "bert",
    "jina-bert-v2",
    "gpt2",
    "gptj",
    "mpt",
    "refact",
    "bloom",
    "starcoder",
    "jais",
    "jamba",
    "mamba",
    "mamba2",
    "nemotron_h",
    "nemotron_h_moe",
    "kimi-linear",
    "kimi-k3",
    "rwkv6",
    "rwkv7",
    "t5",
)

_ROWS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("no_cache", _ENCODERS + _DIFFUSION),
    ("idle_cache", ("llama-embed",)),
    ("no_head", tuple(x for x in _ENCODERS if x not in ("gemma-embedding", "llama-embed"))),
    ("no_logits", ("gemma-embedding", "llama-embed")),
    ("tied_twice", ("gemma3n", "gemma4")),
    ("head_on_input", ("bitnet",)),
    ("padded_values", ("deci",)),
    ("no_rope", _NO_ROPE),
    (
        "rope_in_windows",
        (
            "cohere2",
            "cohere2moe",
            "exaone4",
            "exaone-moe",
            "muse-glimmer",
            "smallthinker",
            "llama4",
            "afmoe",
            "maple",
        ),
    ),
    ("rope_not_every_4th", ("smollm3",)),
    (
        "late_norm_output",
        (
            "qwen3next",
            "qwen35",
            "qwen35moe",
            "nemotron_h",
            "nemotron_h_moe",
            "bailingmoe3",
            "cohere2moe",
            "hy_v3",
            "gemma4",
        ),
    ),
    ("late_output", ("gpt-oss", "step35", "gemma3n")),
    ("scaled_queries", ("phi2", "phi3", "gemma", "gemma2", "gemma3")),
    ("residual_before_attention", ("command-r", "cohere2", "cohere2moe")),
    ("residual_first", ("lfm2", "lfm2moe", "jamba")),
    ("residual_first_once", ("openelm",)),
    ("plain_norms", ("olmo",)),
    ("early_router", ("smallthinker",)),
    (
        "large_graph",
        (
            "qwen3next",
            "kimi-linear",
            "bailingmoe3",
            "qwen35",
            "qwen35moe",
            "clef",
            "qwen4exp",
            "deepseek4",
            "nanbeige",
            "minimax-01",
            "minimax-m3",
            "hy_v4",
            "kimi-k3",
            "glm5-next",
            "hrm_text",
            "dflash",
        ),
    ),
    ("normed_values", ("gemma3n", "gemma4")),
    (
        "norm_first",
        ("qwen3next", "qwen35", "qwen35moe", "kimi-linear", "kimi-k3", "bailingmoe3", "minimax-01"),
    ),
    ("scaled_embeddings", ("gemma-embedding", "gemma3", "gemma3n", "gemma4")),
    ("own_selection", ("grovemoe",)),
    ("softmax_after_top_k", ("gpt-oss",)),
    (
        "raw_expert_weights",
        (
            "bailingmoe",
            "bailingmoe2",
            "bailingmoe3",
            "cohere2moe",
            "deepseek",
            "deepseek2",
            "deepseek32",
            "dots1",
            "dots3note",
            "exaone-moe",
            "glm-dsa",
            "glm4moe",
            "gpt-oss",
            "hy_v3",
            "hy_v4",
            "jamba",
            "laguna",
            "llada-moe",
            "llama4",
            "nemotron_h",
            "nemotron_h_moe",
            "nomic-bert-moe",
            "olmoe",
            "qwen2moe",
            "step35",
        ),
    ),
    ("weight_before_experts", ("llama4",)),
    ("no_mixed_batch", ("cogvlm", "deepseek4", "graniteswitch", "eagle3", "dflash", "gemma4-assistant")),
)

# Architectures whose compute buffers were compared with the engine's, to the byte or nearly so (build 11434).
_CHECKED: Final = frozenset(
    """
    afmoe apertus arcee arctic arwkv7 bailingmoe bailingmoe2 bert bloom chameleon chatglm codeshell cohere2
    cohere2moe command-r dbrx deepseek deepseek2 deepseek2-ocr deepseek32 dots1 dream ernie4_5 ernie4_5-moe
    eurobert exaone exaone-moe exaone4 falcon falcon-h1 gemma gemma-embedding gemma2 gemma3 gemma3n gemma4
    glm-dsa glm4 glm4moe gpt-oss gpt2 gptneox granite granite_swa granitehybrid granitemoe grok grovemoe
    hunyuan-dense hunyuan-moe hunyuan_vl hy_v3 internlm2 jais jais2 jamba jina-bert-v2 jina-bert-v3
    kimi-linear laguna lfm2 lfm2moe llada llada-moe llama llama-embed llama4 maincoder mamba mamba2 maple
    mellum mimo2 minicpm minicpm3 minimax-m2 mistral3 mistral4 modern-bert mpt muse-glimmer nanbeige
    nemotron nemotron_h nemotron_h_moe neo-bert nomic-bert nomic-bert-moe olmo olmo2 olmoe openelm orion
    paddleocr pangu-embedded phi2 phi3 phimoe plamo plamo3 qwen qwen2 qwen2moe qwen2vl qwen3 qwen35
    qwen35moe qwen3moe qwen3next qwen3tts qwen3vl qwen3vlmoe refact rnd1 rwkv6 rwkv6qwen2 rwkv7 seed_oss
    smallthinker smollm3 spark2_5 stablelm starcoder starcoder2 step35 xverse
    """.split()  # noqa: SIM905
)


def traits_of(architecture: str) -> set[str]:
    """The listed traits of an architecture; none for one that is not listed."""
    listed = {trait for trait, architectures in _ROWS if architecture in architectures}
    return listed | {"checked"} if architecture in _CHECKED else listed
