"""The names of the standard library that generated code may use."""

from __future__ import annotations

from typing import Final

# Not listed because of what they can reach: everything that evaluates text (`typing.get_type_hints`,
# `functools.singledispatch`), creates classes from text (`dataclasses.make_dataclass`), formats by text
# (`string.Formatter`), writes to files or streams (logging handlers) or calls what is passed to it (`operator.call`).
STANDARD_LIBRARY: Final = {
    "__future__": "annotations",
    "abc": "ABC abstractmethod",
    "ast": "literal_eval",
    "bisect": "bisect bisect_left bisect_right insort insort_left insort_right",
    "calendar": """Calendar FRIDAY MONDAY SATURDAY SUNDAY THURSDAY TUESDAY WEDNESDAY day_abbr day_name isleap leapdays
        month_abbr month_name monthcalendar monthrange timegm weekday""",
    "cmath": "exp log phase pi polar rect sqrt",
    "collections": "ChainMap Counter OrderedDict UserDict UserList abc defaultdict deque namedtuple",
    "collections.abc": """Callable Collection Container Generator Hashable ItemsView Iterable Iterator KeysView
        Mapping MutableMapping MutableSequence MutableSet Reversible Sequence Set Sized ValuesView""",
    "contextlib": "contextmanager nullcontext suppress",
    "copy": "copy deepcopy",
    "dataclasses": "FrozenInstanceError InitVar asdict astuple dataclass field is_dataclass replace",
    "datetime": "MAXYEAR MINYEAR UTC date datetime time timedelta timezone tzinfo",
    "decimal": """Context Decimal DecimalException DivisionByZero Inexact InvalidOperation Overflow ROUND_05UP
        ROUND_CEILING ROUND_DOWN ROUND_FLOOR ROUND_HALF_DOWN ROUND_HALF_EVEN ROUND_HALF_UP ROUND_UP Rounded Underflow
        getcontext localcontext setcontext""",
    "difflib": "Differ SequenceMatcher get_close_matches ndiff unified_diff",
    "enum": "Enum Flag IntEnum IntFlag StrEnum auto unique",
    "fractions": "Fraction",
    "functools": "cache cached_property cmp_to_key lru_cache partial reduce total_ordering wraps",
    "hashlib": "blake2b blake2s md5 new sha1 sha224 sha256 sha384 sha3_256 sha3_512 sha512",
    "heapq": "heapify heappop heappush heappushpop heapreplace merge nlargest nsmallest",
    "itertools": """accumulate batched chain combinations combinations_with_replacement compress count cycle dropwhile
        filterfalse groupby islice pairwise permutations product repeat starmap takewhile tee zip_longest""",
    "json": "JSONDecodeError JSONEncoder dumps loads",
    "logging": """CRITICAL DEBUG ERROR INFO NOTSET WARN WARNING Logger NullHandler basicConfig captureWarnings
        critical debug disable error exception getLogger getLevelName info log warning""",
    "math": """acos acosh asin asinh atan atan2 atanh cbrt ceil comb copysign cos cosh degrees dist e erf erfc exp
        exp2 expm1 fabs factorial floor fma fmod frexp fsum gamma gcd hypot inf isclose isfinite isinf isnan isqrt lcm
        ldexp lgamma log log10 log1p log2 modf nan nextafter perm pi pow prod radians remainder sin sinh sqrt sumprod
        tan tanh tau trunc ulp""",
    "numbers": "Complex Integral Number Rational Real",
    "operator": """abs add and_ attrgetter concat contains countOf delitem eq floordiv ge getitem gt iadd iand iconcat
        ifloordiv imod imul index indexOf inv invert ior ipow is_ is_not isub itemgetter itruediv ixor le length_hint
        lt methodcaller mod mul ne neg not_ or_ pos pow setitem sub truediv truth xor""",
    "pprint": "pformat pp pprint",
    "random": """Random betavariate choice choices expovariate gammavariate gauss getrandbits lognormvariate
        normalvariate paretovariate randint random randrange sample seed shuffle triangular uniform vonmisesvariate
        weibullvariate""",
    "re": """A ASCII DOTALL I IGNORECASE M MULTILINE Match NOFLAG Pattern RegexFlag S U UNICODE VERBOSE X compile
        error escape findall finditer fullmatch match purge search split sub subn""",
    "statistics": """NormalDist StatisticsError correlation covariance fmean geometric_mean harmonic_mean
        linear_regression mean median median_grouped median_high median_low mode multimode pstdev pvariance quantiles
        stdev variance""",
    "string": """Template ascii_letters ascii_lowercase ascii_uppercase capwords digits hexdigits octdigits printable
        punctuation whitespace""",
    "textwrap": "TextWrapper dedent fill indent shorten wrap",
    "time": """asctime ctime gmtime localtime mktime monotonic monotonic_ns perf_counter perf_counter_ns process_time
        process_time_ns strftime strptime struct_time time time_ns""",
    "typing": """Annotated Any Callable ClassVar Collection Counter DefaultDict Deque Dict Final FrozenSet Generator
        Generic Hashable Iterable Iterator List Literal Mapping MutableMapping MutableSequence NamedTuple NewType
        NoReturn NotRequired Optional OrderedDict ParamSpec Protocol Required Self Sequence Set Sized SupportsFloat
        SupportsIndex SupportsInt TYPE_CHECKING Text Tuple TypeAlias TypeGuard TypeVar TypedDict Union Unpack
        assert_never cast final overload""",
    "unicodedata": "category combining decimal decomposition digit is_normalized lookup name normalize numeric",
    "warnings": "catch_warnings filterwarnings simplefilter warn",
    "zoneinfo": "ZoneInfo ZoneInfoNotFoundError",
}
