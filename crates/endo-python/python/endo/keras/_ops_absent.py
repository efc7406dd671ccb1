"""Functions of `keras.ops` that are not there, and what to use instead."""

_BEFORE = "compute it with NumPy before the data goes in, or after it comes out"
_LOOPS = "use keras.ops.scan, or Python's `for` over a known number of steps"
_LAYERS = "call the layer of keras.layers"
_COMPOSE = "compose it of exp, log, sin, cos, where and their like"
_WHERE = "replace what is not a number by keras.ops.where first"
_SHAPES = "use keras.ops.reshape, transpose, concatenate and slices"
_SIZES = "a size that depends on numbers is for NumPy: compute it outside of traces"
_REAL = "numbers are real: keep real and imaginary parts as two tensors"

_WORDS = {
    _BEFORE: (
        "angle append argpartition array_split bartlett bincount bitwise_and bitwise_invert"
        " bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor blackman cdist"
        " cholesky_inverse corrcoef correlate cross ctc_decode digitize eig eigh extract_sequences"
        " fft fft2 gcd geomspace hamming hanning histogram i0 ifft2 image in_top_k irfft isin istft"
        " kaiser kron lcm ldexp left_shift linalg logdet logspace lstsq lu_factor matrix_rank"
        " median multi_hot nextafter numpy percentile pinv polar psnr qr quantile rearrange rfft"
        " right_shift searchsorted signbit slogdet solve_triangular stft svd trapezoid tri"
        " unravel_index vander view"
    ),
    _LOOPS: "associative_scan vectorize jvp select switch",
    _LAYERS: (
        "adaptive_average_pool adaptive_max_pool average_pool batch_normalization conv"
        " conv_transpose depthwise_conv dot_product_attention layer_normalization max_pool"
        " rms_normalization separable_conv"
    ),
    _COMPOSE: (
        "arccos arccosh arcsin arcsinh arctan arctan2 arctanh cbrt deg2rad diff erfc fmod heaviside"
        " hypot isneginf isposinf isreal logaddexp2 ptp rad2deg saturate_cast sinc trunc allclose"
    ),
    _WHERE: (
        "nanargmax nanargmin nancumprod nancumsum nanmax nanmean nanmedian nanmin nanpercentile"
        " nanprod nanquantile nanstd nansum nanvar"
    ),
    _SHAPES: (
        "depth_to_space diagflat diagonal dsplit dstack empty empty_like fliplr flipud fold"
        " get_item hsplit rot90 slice_update space_to_depth unfold vsplit"
    ),
    _SIZES: "nonzero unique",
    _REAL: "conj conjugate imag real view_as_complex view_as_real",
    "call keras.losses.CTC": "ctc_loss",
    "use keras.ops itself": "nn",
    "use keras.ops.segment_sum": "segment_max segment_min segment_prod",
    "use `x.dtype`": "dtype",
}
ABSENT = {name: instead for instead, names in _WORDS.items() for name in names.split()}
