"""The names of numpy that generated code may use."""

from __future__ import annotations

from typing import Final

# Not listed because of what they can reach: files (`load`, `save`, `fromfile`, `memmap`, `genfromtxt`), memory outside
# of an array (`as_strided`, `chararray`, `void`, `from_dlpack`), variables of callers (`bmat`), hooks (`seterrcall`),
# and submodules with modules in them (`ma.extras`, `lib`, `core`, `testing`, `ctypeslib`, `f2py`).
NUMPY: Final = {
    "numpy": """False_ ScalarType True_ __version__ abs absolute acos acosh add all allclose amax amin angle any
        append apply_along_axis apply_over_axes arange arccos arccosh arcsin arcsinh arctan arctan2 arctanh argmax
        argmin argpartition argsort argwhere around array array2string array_equal array_equiv array_repr array_split
        array_str asanyarray asarray asarray_chkfinite ascontiguousarray asfortranarray asin asinh astype atan atan2
        atanh atleast_1d atleast_2d atleast_3d average bartlett base_repr binary_repr bincount bitwise_and
        bitwise_count bitwise_invert bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor
        blackman block bool bool_ broadcast_arrays broadcast_shapes broadcast_to busday_count busday_offset
        busdaycalendar byte bytes_ c_ can_cast cbrt ceil char choose clip column_stack common_type complex128
        complex64 complexfloating compress concat concatenate conj conjugate convolve copy copysign copyto corrcoef
        correlate cos cosh count_nonzero cov cross cumprod cumsum cumulative_prod cumulative_sum datetime64
        datetime_as_string datetime_data deg2rad degrees delete diag diag_indices diag_indices_from diagflat diagonal
        diff digitize divide divmod dot double dsplit dstack dtype dtypes e ediff1d einsum einsum_path emath empty
        empty_like equal errstate euler_gamma exceptions exp exp2 expand_dims expm1 extract eye fabs fft fill_diagonal
        finfo fix flatnonzero flexible flip fliplr flipud float16 float32 float64 float_power floating floor
        floor_divide fmax fmin fmod format_float_positional format_float_scientific frexp frombuffer fromfunction
        fromiter frompyfunc fromstring full full_like gcd generic geomspace get_printoptions geterr gradient greater
        greater_equal half hamming hanning heaviside histogram histogram2d histogram_bin_edges histogramdd hsplit
        hstack hypot i0 identity iinfo imag in1d indices inexact inf inner insert int16 int32 int64 int8 int_ intc
        integer interp intersect1d intp invert is_busday isclose iscomplex iscomplexobj isdtype isfinite isin isinf
        isnan isnat isneginf isposinf isreal isrealobj isscalar issubdtype iterable ix_ kaiser kron lcm ldexp
        left_shift less less_equal lexsort lib linalg linspace log log10 log1p log2 logaddexp logaddexp2 logical_and
        logical_not logical_or logical_xor logspace long longdouble longlong ma mask_indices matmul matrix_transpose
        matvec max maximum mean median meshgrid mgrid min min_scalar_type minimum mod modf moveaxis multiply nan
        nan_to_num nanargmax nanargmin nancumprod nancumsum nanmax nanmean nanmedian nanmin nanpercentile nanprod
        nanquantile nanstd nansum nanvar ndarray ndenumerate ndim ndindex negative newaxis nextafter nonzero not_equal
        number object_ ogrid ones ones_like outer packbits pad partition percentile permute_dims pi piecewise place
        poly poly1d polyadd polyder polydiv polyfit polyint polymul polynomial polysub polyval positive pow power
        printoptions prod promote_types ptp put put_along_axis putmask quantile r_ rad2deg radians random ravel
        ravel_multi_index real real_if_close reciprocal remainder repeat require reshape resize result_type
        right_shift rint roll rollaxis roots rot90 round row_stack s_ searchsorted select set_printoptions setdiff1d
        seterr setxor1d shape short sign signbit signedinteger sin sinc single sinh size sort sort_complex spacing
        split sqrt square squeeze stack std str_ strings subtract sum swapaxes take take_along_axis tan tanh tensordot
        tile timedelta64 trace transpose trapezoid trapz tri tril tril_indices tril_indices_from trim_zeros triu
        triu_indices triu_indices_from true_divide trunc typecodes typing ubyte ufunc uint uint16 uint32 uint64 uint8
        uintc uintp ulong ulonglong union1d unique unique_all unique_counts unique_inverse unique_values unpackbits
        unravel_index unsignedinteger unstack unwrap ushort vander var vdot vecdot vecmat vectorize vsplit vstack
        where zeros zeros_like""",
    "numpy.char": """add capitalize center count endswith equal expandtabs find greater greater_equal index isalnum
        isalpha isdecimal isdigit islower isnumeric isspace istitle isupper join less less_equal ljust lower lstrip
        mod multiply not_equal partition replace rfind rindex rjust rpartition rsplit rstrip split splitlines
        startswith str_len strip swapcase title translate upper zfill""",
    "numpy.dtypes": """BoolDType Float32DType Float64DType Int16DType Int32DType Int64DType Int8DType StrDType
        StringDType UInt16DType UInt32DType UInt64DType UInt8DType""",
    "numpy.emath": "arccos arcsin arctanh log log10 log2 logn power sqrt",
    "numpy.exceptions": "AxisError ComplexWarning RankWarning VisibleDeprecationWarning",
    "numpy.fft": """fft fft2 fftfreq fftn fftshift hfft ifft ifft2 ifftn ifftshift ihfft irfft irfft2 irfftn rfft
        rfft2 rfftfreq rfftn""",
    "numpy.lib": "stride_tricks",
    "numpy.lib.stride_tricks": "sliding_window_view",
    "numpy.linalg": """LinAlgError cholesky cond cross det diagonal eig eigh eigvals eigvalsh inv lstsq matmul
        matrix_norm matrix_power matrix_rank matrix_transpose multi_dot norm outer pinv qr slogdet solve svd svdvals
        tensordot tensorinv tensorsolve trace vecdot vector_norm""",
    "numpy.ma": """MaskedArray abs all any arange argmax argmin argsort array asarray average clip compressed
        concatenate corrcoef count count_masked cov cumprod cumsum diff dot empty equal exp filled fix_invalid getdata
        getmask getmaskarray greater greater_equal hstack is_masked isMaskedArray isin less less_equal log log10 log2
        mask_or masked masked_all masked_array masked_equal masked_greater masked_greater_equal masked_inside
        masked_invalid masked_less masked_less_equal masked_not_equal masked_outside masked_values masked_where max
        maximum mean median min minimum nomask not_equal ones polyfit power prod ptp ravel reshape round sort sqrt std
        sum unique var vstack where zeros""",
    "numpy.polynomial": "Chebyshev Hermite HermiteE Laguerre Legendre Polynomial polynomial",
    "numpy.polynomial.polynomial": "polyadd polyder polydiv polyfit polyint polymul polyroots polysub polyval",
    "numpy.random": """Generator PCG64 RandomState SeedSequence beta binomial bytes chisquare choice default_rng
        dirichlet exponential f gamma geometric gumbel hypergeometric laplace logistic lognormal logseries multinomial
        multivariate_normal negative_binomial normal pareto permutation poisson power rand randint randn random
        random_integers random_sample ranf rayleigh sample seed shuffle standard_cauchy standard_exponential
        standard_gamma standard_normal standard_t triangular uniform vonmises wald weibull zipf""",
    "numpy.strings": """add capitalize center count endswith equal expandtabs find greater greater_equal index isalnum
        isalpha isdecimal isdigit islower isnumeric isspace istitle isupper less less_equal ljust lower lstrip mod
        multiply not_equal partition replace rfind rindex rjust rpartition rstrip slice startswith str_len strip
        swapcase title translate upper zfill""",
    "numpy.typing": "ArrayLike DTypeLike NDArray",
}
