// The fixed words of the mangling: builtin types, the abbreviations of std,
// and the operators. Spelled as GNU's c++filt spells them.
//
// https://itanium-cxx-abi.github.io/cxx-abi/abi.html#mangling-builtin and
// #mangling-operator

export const builtinTypes = new Map([
  ['v', 'void'],
  ['w', 'wchar_t'],
  ['b', 'bool'],
  ['c', 'char'],
  ['a', 'signed char'],
  ['h', 'unsigned char'],
  ['s', 'short'],
  ['t', 'unsigned short'],
  ['i', 'int'],
  ['j', 'unsigned int'],
  ['l', 'long'],
  ['m', 'unsigned long'],
  ['x', 'long long'],
  ['y', 'unsigned long long'],
  ['n', '__int128'],
  ['o', 'unsigned __int128'],
  ['f', 'float'],
  ['d', 'double'],
  ['e', 'long double'],
  ['g', '__float128'],
  ['z', '...'],
])

/** After a `D`. */
export const laterBuiltinTypes = new Map([
  ['a', 'auto'],
  ['c', 'decltype(auto)'],
  ['d', 'decimal64'],
  ['e', 'decimal128'],
  ['f', 'decimal32'],
  ['h', 'half'],
  ['i', 'char32_t'],
  ['n', 'decltype(nullptr)'],
  ['s', 'char16_t'],
  ['u', 'char8_t'],
])

/** How a literal of these types ends; `int` has nothing, and every other type is a cast before it. */
export const literalSuffixes = new Map([
  ['i', ''],
  ['j', 'u'],
  ['l', 'l'],
  ['m', 'ul'],
  ['x', 'll'],
  ['y', 'ull'],
])

/**
 * `short` where a type is meant. A constructor's class is spelled out and its own
 * name is `base`, because `std::string` is no class that has constructors.
 */
export const standardAbbreviations = new Map([
  ['a', { short: 'std::allocator', full: 'std::allocator', base: 'allocator' }],
  ['b', { short: 'std::basic_string', full: 'std::basic_string', base: 'basic_string' }],
  [
    's',
    {
      short: 'std::string',
      full: 'std::basic_string<char, std::char_traits<char>, std::allocator<char> >',
      base: 'basic_string',
    },
  ],
  [
    'i',
    {
      short: 'std::istream',
      full: 'std::basic_istream<char, std::char_traits<char> >',
      base: 'basic_istream',
    },
  ],
  [
    'o',
    {
      short: 'std::ostream',
      full: 'std::basic_ostream<char, std::char_traits<char> >',
      base: 'basic_ostream',
    },
  ],
  [
    'd',
    {
      short: 'std::iostream',
      full: 'std::basic_iostream<char, std::char_traits<char> >',
      base: 'basic_iostream',
    },
  ],
])

export interface Operator {
  readonly symbol: string
  /** Operands in an expression. 0: it is only ever a name, or the expression has a form of its own. */
  readonly arity: 0 | 1 | 2 | 3
}

export const operators = new Map<string, Operator>([
  ['aN', { symbol: '&=', arity: 2 }],
  ['aS', { symbol: '=', arity: 2 }],
  ['aa', { symbol: '&&', arity: 2 }],
  ['ad', { symbol: '&', arity: 1 }],
  ['an', { symbol: '&', arity: 2 }],
  ['aw', { symbol: 'co_await', arity: 1 }],
  ['cl', { symbol: '()', arity: 0 }],
  ['cm', { symbol: ',', arity: 2 }],
  ['co', { symbol: '~', arity: 1 }],
  ['dV', { symbol: '/=', arity: 2 }],
  ['da', { symbol: 'delete[]', arity: 1 }],
  ['de', { symbol: '*', arity: 1 }],
  ['dl', { symbol: 'delete', arity: 1 }],
  ['ds', { symbol: '.*', arity: 2 }],
  ['dv', { symbol: '/', arity: 2 }],
  ['eO', { symbol: '^=', arity: 2 }],
  ['eo', { symbol: '^', arity: 2 }],
  ['eq', { symbol: '==', arity: 2 }],
  ['ge', { symbol: '>=', arity: 2 }],
  ['gt', { symbol: '>', arity: 2 }],
  ['ix', { symbol: '[]', arity: 0 }],
  ['lS', { symbol: '<<=', arity: 2 }],
  ['le', { symbol: '<=', arity: 2 }],
  ['ls', { symbol: '<<', arity: 2 }],
  ['lt', { symbol: '<', arity: 2 }],
  ['mI', { symbol: '-=', arity: 2 }],
  ['mL', { symbol: '*=', arity: 2 }],
  ['mi', { symbol: '-', arity: 2 }],
  ['ml', { symbol: '*', arity: 2 }],
  ['mm', { symbol: '--', arity: 1 }],
  ['na', { symbol: 'new[]', arity: 0 }],
  ['ne', { symbol: '!=', arity: 2 }],
  ['ng', { symbol: '-', arity: 1 }],
  ['nt', { symbol: '!', arity: 1 }],
  ['nw', { symbol: 'new', arity: 0 }],
  ['oR', { symbol: '|=', arity: 2 }],
  ['oo', { symbol: '||', arity: 2 }],
  ['or', { symbol: '|', arity: 2 }],
  ['pL', { symbol: '+=', arity: 2 }],
  ['pl', { symbol: '+', arity: 2 }],
  ['pm', { symbol: '->*', arity: 2 }],
  ['pp', { symbol: '++', arity: 1 }],
  ['ps', { symbol: '+', arity: 1 }],
  ['pt', { symbol: '->', arity: 0 }],
  ['qu', { symbol: '?', arity: 3 }],
  ['rM', { symbol: '%=', arity: 2 }],
  ['rS', { symbol: '>>=', arity: 2 }],
  ['rm', { symbol: '%', arity: 2 }],
  ['rs', { symbol: '>>', arity: 2 }],
  ['ss', { symbol: '<=>', arity: 2 }],
  ['tw', { symbol: 'throw', arity: 1 }],
])
