"""Reads the shape of a model from its header: the widths and the cache of each layer, as in llama.cpp."""

from collections.abc import Sequence
from typing import NamedTuple

from modelsync.errors import NotAModelError
from modelsync.gguf.header import Header
from modelsync.gguf.kind import check_model
from modelsync.gguf.metadata import Array
from modelsync.gguf.writer import vocabulary_size
from modelsync.memory import families
from modelsync.spec.names import printable

MAX_LAYERS = 512  # llama.cpp's limit
_NEEDED = ("context_length", "embedding_length", "block_count")  # llama.cpp loads no model without them
_HEADS = "attention.head_count"
_TOKEN_SHIFTS = 2  # of RWKV, if the header gives none


class Layer(NamedTuple):
    """One block. Widths count numbers."""

    heads: int
    queries: int  # width, all heads together
    keys: int  # width, all key heads together
    values: int
    attends: bool  # caches keys and values
    recurs: bool  # caches a state
    windowed: bool  # attends only to the last tokens
    feed: int  # width of the feed-forward network
    gated: bool  # the feed-forward network has a gate
    routed: int  # width of an expert
    fused: bool  # queries, keys and values come from one tensor


class Shape(NamedTuple):
    """What decides a model's memory besides its weights. Widths count numbers."""

    architecture: str
    layers: tuple[Layer, ...]  # the layers for multi-token prediction (MTP) come last
    trunk: int  # number of layers without those
    width: int
    vocabulary: int
    context: int  # tokens that the model was trained with
    window: int  # tokens, of windowed layers; 0: there are none
    latent: bool  # multi-head latent attention: values are part of the keys
    causal: bool
    has_logits: bool  # there are logits
    experts: int  # experts of a layer that a token uses
    side_width: int  # width of what layers pass on besides the residual stream
    convolution: int  # numbers of a recurrent layer's convolution state, per sequence
    state: int  # numbers of a recurrent layer's state, per sequence
    inner: int  # width of a recurrent layer
    convolution_width: int  # width of its convolution
    indexer_width: int  # width of an indexer's key, in sparse attention
    doubt: str | None = None  # why the formulas give only an upper bound

    @property
    def kept(self) -> tuple[Layer, ...]:
        """The layers without MTP: those that llama.cpp loads."""
        return self.layers[: self.trunk]


class _Keys:
    """Access to the architecture's own keys."""

    def __init__(self, header: Header) -> None:
        self._header = header

    def number(self, name: str, default: int = 0) -> int:
        """The number under a key, at least 0."""
        value = self._header.number(name)
        return default if value is None else max(0, value)

    def each(self, name: str, count: int, default: Sequence[int]) -> list[int]:
        """A number for each layer, from one number for all or from a list."""
        value = self._header.metadata.get(self._header.key(name))
        if isinstance(value, Array):
            listed = [max(0, int(item)) for item in value.head(count) if not isinstance(item, str)]
            return listed + [0] * (count - len(listed))
        if isinstance(value, int):
            return [max(0, int(value))] * count
        return list(default)

    def has(self, name: str) -> bool:
        """Whether there is such a key."""
        return self._header.key(name) in self._header.metadata

    def is_list(self, name: str) -> bool:
        """Whether its value is a list."""
        return isinstance(self._header.metadata.get(self._header.key(name)), Array)


def check(header: Header, what: str) -> None:
    """Refuses what has no shape: a file that is no model, and a model whose header leaves out what memory depends on.

    Args:
        header: Of a split model the merged one.
        what: Its name, for messages.

    Raises:
        NotAModelError: the message says what the file is, why llama.cpp does not load it, or what is missing.
    """
    check_model(header, what)
    missing = [name for name in _NEEDED if not header.number(name)]
    without_heads = header.architecture in families.RECURRENT or any(
        key.startswith((header.key("ssm."), header.key("wkv."))) for key in header.metadata
    )
    if not without_heads and header.key(_HEADS) not in header.metadata:
        missing.append(_HEADS)
    if missing:
        named = ", ".join(f"`{printable(header.key(name))}`" for name in missing)
        raise NotAModelError(
            f"nothing tells the memory that {printable(what)} needs: its header has no {named}",
            hint="llama.cpp loads no language model without it; `modelsync inspect` shows what the file is",
        )


def shape_of(header: Header) -> Shape:
    """The shape of a model. Missing keys have llama.cpp's defaults.

    `doubt` is set if the header gives no architecture or no layers, or if the architecture is unknown here.
    """
    architecture = header.architecture or ""
    keys = _Keys(header)
    count = min(keys.number("block_count"), MAX_LAYERS)
    trunk = max(0, count - keys.number("nextn_predict_layers"))
    width = keys.number("embedding_length")
    heads = keys.each("attention.head_count", count, [0] * count)
    kv_heads = keys.each("attention.head_count_kv", count, heads)
    recurs = _recurrent(architecture, keys, count, trunk, kv_heads)
    window, windowed = _windows(architecture, keys, count, trunk, recurs)
    layers = _layers(header, keys, heads, kv_heads, recurs, windowed)
    convolution, state = _state(architecture, keys, width, heads)
    steps = max(1, keys.number("ssm.conv_kernel") - 1)
    return Shape(
        architecture,
        layers,
        trunk,
        width,
        vocabulary_size(header) or 0,
        keys.number("context_length"),
        window if any(windowed) else 0,
        latent=keys.number("attention.key_length_mla") > 0 and keys.number("attention.value_length_mla") > 0,
        causal=header.metadata.get(header.key("attention.causal")) is not False,
        has_logits=architecture not in families.WITHOUT_LOGITS,
        experts=max(keys.each("expert_used_count", count, [0] * count), default=0),
        side_width=_side_width(architecture, keys, width, count),
        convolution=convolution,
        state=state,
        inner=keys.number("ssm.inner_size"),
        convolution_width=convolution // steps,
        indexer_width=keys.number("attention.indexer.key_length")
        if keys.number("attention.indexer.top_k")
        else 0,
        doubt=_doubt(architecture, keys, count),
    )


def _layers(
    header: Header,
    keys: _Keys,
    heads: Sequence[int],
    kv_heads: Sequence[int],
    recurs: Sequence[bool],
    windowed: Sequence[bool],
) -> tuple[Layer, ...]:
    architecture, count = header.architecture or "", len(heads)
    whole = keys.number("embedding_length") // heads[0] if heads and heads[0] else 0
    key, value = keys.number("attention.key_length", whole), keys.number("attention.value_length", whole)
    short = keys.number("attention.key_length_swa", key), keys.number("attention.value_length_swa", value)
    cached = _cached_layers(architecture, keys, count)
    feeds = keys.each("feed_forward_length", count, [0] * count)
    tensors = _by_layer(header, count)
    layers = []
    for index, parts in enumerate(tensors):
        k, v = short if windowed[index] else (key, value)
        down, up = parts.get("ffn_down", (0,)), parts.get("ffn_up", (0, 0))
        layers.append(
            Layer(
                heads[index],
                heads[index] * k,
                kv_heads[index] * k,
                kv_heads[index] * v,
                attends=index < cached and _attends(architecture, recurs[index], feeds[index]),
                recurs=recurs[index],
                windowed=windowed[index],
                feed=down[0],
                gated="ffn_gate" in parts or up[-1] == 2 * down[0],
                routed=parts.get("ffn_down_exps", (0,))[0],
                fused="attn_qkv" in parts and not recurs[index],
            )
        )
    return tuple(layers)


def _by_layer(header: Header, count: int) -> list[dict[str, tuple[int, ...]]]:
    """For each layer, the shapes of its weights by name (`ffn_down`)."""
    layers: list[dict[str, tuple[int, ...]]] = [{} for _ in range(count)]
    for tensor in header.tensors:
        match tensor.name.split("."):
            case ["blk", number, part, "weight"] if number.isdecimal() and int(number) < count:
                layers[int(number)][part] = tensor.shape
    return layers


def _cached_layers(architecture: str, keys: _Keys, count: int) -> int:
    """How many layers, from the first, have a cache of their own."""
    if architecture == "gemma4":
        return count - min(count, keys.number("attention.shared_kv_layers"))
    return families.SHARED_FROM.get(architecture, count)


def _attends(architecture: str, recurs: bool, feed: int) -> bool:
    if architecture in families.UNCACHED | families.RECURRENT:
        return False
    if architecture in families.HYBRID_BOTH:
        return True
    return not recurs and not (architecture in families.FEED_FORWARD_ALONE and feed)


def _recurrent(architecture: str, keys: _Keys, count: int, trunk: int, kv_heads: Sequence[int]) -> list[bool]:
    if architecture in families.RECURRENT | families.HYBRID_BOTH:
        return [index < trunk for index in range(count)]
    if architecture in families.HYBRID_BY_INTERVAL:
        interval = keys.number("full_attention_interval", families.HYBRID_BY_INTERVAL[architecture]) or 1
        by_interval = [index < trunk and (index + 1) % interval != 0 for index in range(count)]
        return list(map(bool, keys.each("attention.recurrent_layers", count, by_interval)))
    if architecture in families.HYBRID_BY_HEADS:
        alone = architecture in families.FEED_FORWARD_ALONE
        feeds = keys.each("feed_forward_length", count, [0] * count)
        return [
            index < trunk and not kv_heads[index] and not (alone and feeds[index]) for index in range(count)
        ]
    return [False] * count


def _windows(
    architecture: str, keys: _Keys, count: int, trunk: int, recurs: Sequence[bool]
) -> tuple[int, list[bool]]:
    """The window in tokens, and which layers have it."""
    none = (0, [False] * count)
    pattern = "attention.sliding_window_pattern"
    stated = keys.number("attention.sliding_window")
    if architecture in families.WINDOWED_BY_HEADER:
        return stated, list(map(bool, keys.each(pattern, count, [0] * count)))
    if architecture in families.WINDOWED_WHERE_ATTENDING:
        return (stated, [not item for item in recurs]) if stated else none
    rule = families.WINDOWED.get(architecture)
    if rule is None or trunk != (rule.layers or trunk):
        return none
    if not stated and (not rule.always or keys.has("attention.sliding_window")):
        return none
    window = rule.fixed or stated or rule.window
    if keys.is_list(pattern):
        return window, list(map(bool, keys.each(pattern, count, [0] * count)))
    period = keys.number(pattern, rule.period)
    return window, [index < trunk and _in_window(index, period, rule.full_first) for index in range(count)]


def _in_window(index: int, period: int, full_first: bool) -> bool:
    if not period:
        return True
    return index % period != 0 if full_first else index % period < period - 1


def _state(architecture: str, keys: _Keys, width: int, heads: Sequence[int]) -> tuple[int, int]:
    """Numbers that a recurrent layer caches per sequence: for its convolution, and for its state."""
    if keys.number("wkv.head_size"):
        shifts = keys.number("token_shift_count", _TOKEN_SHIFTS)
        return shifts * width, width * keys.number("wkv.head_size")
    if keys.number("shortconv.l_cache"):
        return width * (keys.number("shortconv.l_cache") - 1), 0
    steps = max(0, keys.number("ssm.conv_kernel") - 1)
    head = keys.number("kda.head_dim")
    if head and heads:
        return 3 * (steps or 3) * heads[0] * head, head * head * heads[0]
    inner, state = keys.number("ssm.inner_size"), keys.number("ssm.state_size")
    groups = keys.number("ssm.group_count") if architecture in families.GROUPED_STATE else 0
    return steps * (inner + 2 * groups * state), state * inner


def _side_width(architecture: str, keys: _Keys, width: int, count: int) -> int:
    if architecture == "gemma3n":  # four residual streams, and an input of width 256 for each layer
        return 6 * width + 256 * count
    return keys.number("embedding_length_per_layer_input") * count


def _doubt(architecture: str, keys: _Keys, count: int) -> str | None:
    if not architecture:
        return "the header names no architecture"
    if not count:
        return "the header does not say how many layers there are"
    if (
        architecture == "glm-dsa"
        and not keys.has("attention.indexer.types")
        and keys.number("context_length") >= 1 << 20
    ):
        return "the header does not say which layers have an indexer"
    if architecture not in families.KNOWN:
        return f"the formulas do not know the architecture `{architecture}`"
    return None
