"""llama.cpp as a shared library, by ctypes: logits of windows of tokens, as its CPU computes them.

    model = llama_library.Library(PATH).load("model.gguf")
    for logits in model.logits(windows, keys="q8_0", values="q8_0"): ...   # float32, a row a token

PATH is any library that exports llama.h and ggml.h. A wheel that has one inside is xllamacpp
2026.10.11549 (`pip download --no-deps`, unpacked: xllamacpp/xllamacpp.abi3.so). Weights are not
repacked, so that matrices are multiplied by the kernels of their own types. The places of the
parameters are those of that release; what the library says its defaults are is held against what
that release has there, and another layout is refused.
"""

import ctypes

import numpy

TYPES = {"f32": 0, "f16": 1, "q4_0": 2, "q4_1": 3, "q5_0": 6, "q5_1": 7, "q8_0": 8, "q8_1": 9,
         "q8_k": 15, "iq4_nl": 20, "bf16": 30}

# Places of llama_model_params and llama_context_params, in bytes.
N_GPU_LAYERS, USE_EXTRA_BUFTS = 16, 74
N_CTX, N_BATCH, N_UBATCH, N_SEQ_MAX = 0, 4, 8, 12
N_OUTPUTS_MAX, N_OUTPUTS_MAX_PER_SEQ, N_THREADS, N_THREADS_BATCH = 20, 24, 28, 32
FLASH_ATTN, TYPE_K, TYPE_V = 52, 104, 108
# Names and defaults of some of them, by which the layout is known.
MODEL_DEFAULTS = {16: -1, 20: 1, 24: -1}
CONTEXT_DEFAULTS = {N_CTX: 512, N_BATCH: 2048, N_UBATCH: 512, N_SEQ_MAX: 1, 40: -1, 44: -1, 48: -1,
                    FLASH_ATTN: -1, TYPE_K: 1, TYPE_V: 1}


class Parameters(ctypes.Structure):
    """Either struct, larger than it is: the callee writes and reads only its own bytes."""
    _fields_ = [("words", ctypes.c_uint64 * 40)]

    def set(self, place, value, kind=ctypes.c_int32):
        kind.from_buffer(self, place).value = value

    def get(self, place, kind=ctypes.c_int32):
        return kind.from_buffer(self, place).value


class Batch(ctypes.Structure):
    _fields_ = [("n_tokens", ctypes.c_int32), ("token", ctypes.POINTER(ctypes.c_int32)),
                ("embd", ctypes.c_void_p), ("pos", ctypes.POINTER(ctypes.c_int32)),
                ("n_seq_id", ctypes.POINTER(ctypes.c_int32)),
                ("seq_id", ctypes.POINTER(ctypes.POINTER(ctypes.c_int32))),
                ("logits", ctypes.POINTER(ctypes.c_int8))]


LOG = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
POINTERS = ["llama_model_load_from_file", "llama_init_from_model", "llama_get_logits",
            "llama_model_get_vocab", "llama_get_memory"]


class Library:
    def __init__(self, path):
        self.c = ctypes.CDLL(str(path))
        for name in POINTERS:
            getattr(self.c, name).restype = ctypes.c_void_p
        for name in ["llama_model_default_params", "llama_context_default_params"]:
            getattr(self.c, name).restype = Parameters
        self.silence = LOG(lambda *_: None)
        self.c.llama_log_set(self.silence, None)
        self.c.llama_backend_init()
        for read, defaults in [(self.c.llama_model_default_params, MODEL_DEFAULTS),
                               (self.c.llama_context_default_params, CONTEXT_DEFAULTS)]:
            found = read()
            if any(found.get(place) != value for place, value in defaults.items()):
                raise SystemExit(f"{path}: parameters lie elsewhere than in xllamacpp 2026.10.11549")

    def load(self, path):
        parameters = self.c.llama_model_default_params()
        parameters.set(N_GPU_LAYERS, 0)
        if parameters.get(USE_EXTRA_BUFTS, ctypes.c_bool) is not True:
            raise SystemExit("use_extra_bufts lies elsewhere")
        parameters.set(USE_EXTRA_BUFTS, False, ctypes.c_bool)
        model = self.c.llama_model_load_from_file(str(path).encode(), parameters)
        if not model:
            raise SystemExit(f"llama.cpp does not load {path}")
        return Model(self, model)


class Model:
    def __init__(self, library, model):
        self.library, self.c, self.model = library, library.c, ctypes.c_void_p(model)
        vocabulary = ctypes.c_void_p(self.c.llama_model_get_vocab(self.model))
        self.vocabulary = self.c.llama_vocab_n_tokens(vocabulary)

    def logits(self, windows, keys="f16", values="f16", flash=True, threads=1):
        """The logits after each token of each window, evaluated in one batch."""
        length = max(len(window) for window in windows)
        parameters = self.c.llama_context_default_params()
        for place in [N_CTX, N_BATCH, N_UBATCH, N_OUTPUTS_MAX, N_OUTPUTS_MAX_PER_SEQ]:
            parameters.set(place, length)
        for place in [N_THREADS, N_THREADS_BATCH]:
            parameters.set(place, threads)
        parameters.set(FLASH_ATTN, int(flash))
        parameters.set(TYPE_K, TYPES[keys])
        parameters.set(TYPE_V, TYPES[values])
        context = ctypes.c_void_p(self.c.llama_init_from_model(self.model, parameters))
        if not context:
            raise SystemExit(f"llama.cpp makes no context with keys {keys} and values {values}")
        memory = ctypes.c_void_p(self.c.llama_get_memory(context))
        for window in windows:
            self.c.llama_memory_clear(memory, ctypes.c_bool(True))
            yield self._decode(context, window)
        self.c.llama_free(context)

    def _decode(self, context, window):
        n = len(window)
        numbers = ctypes.c_int32 * n
        sequence = ctypes.c_int32(0)
        batch = Batch(n, numbers(*window), None, numbers(*range(n)), numbers(*[1] * n),
                      (ctypes.POINTER(ctypes.c_int32) * n)(*[ctypes.pointer(sequence)] * n),
                      (ctypes.c_int8 * n)(*[1] * n))
        if status := self.c.llama_decode(context, batch):
            raise SystemExit(f"llama_decode said {status}")
        rows = ctypes.cast(self.c.llama_get_logits(context), ctypes.POINTER(ctypes.c_float))
        return numpy.ctypeslib.as_array(rows, (n, self.vocabulary)).copy()

    def close(self):
        self.c.llama_model_free(self.model)


def log_softmax(logits):
    logits = logits.astype(numpy.float64)
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - numpy.log(numpy.exp(shifted).sum(axis=1, keepdims=True))
