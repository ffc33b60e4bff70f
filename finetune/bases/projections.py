"""The seven linear layers of a decoder layer of the LLaMA family, and their sizes."""


def projection_sizes(
    hidden: int, inner: int, num_heads: int, num_kv_heads: int, head_dim: int
) -> dict[str, tuple[int, int]]:
    """Each one's name in its layer with its (out, in) features."""
    queries, keys = num_heads * head_dim, num_kv_heads * head_dim
    return {
        "self_attn.q_proj": (queries, hidden),
        "self_attn.k_proj": (keys, hidden),
        "self_attn.v_proj": (keys, hidden),
        "self_attn.o_proj": (hidden, queries),
        "mlp.gate_proj": (inner, hidden),
        "mlp.up_proj": (inner, hidden),
        "mlp.down_proj": (hidden, inner),
    }
