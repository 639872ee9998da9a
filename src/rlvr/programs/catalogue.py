"""The vocabulary of generated programs: every step they are made of, in words, in code, and as people get it wrong.

A primitive is one short expression over one variable, so that a chain of them is one statement per step and a very
small model can learn the whole vocabulary. Bugs are mistakes that somebody would make; each differs from the right
code on some input, or the hidden tests could never notice it.
"""

from rlvr.programs.primitive import Primitive

_SMALL = (2, 3, 4, 5, 6, 7, 8, 9)
"""One digit, so one token of a tokenizer that splits digits."""

CATALOGUE: tuple[Primitive, ...] = (
    # list -> list
    Primitive(
        "sort_up",
        "list",
        "list",
        ("sort the list", "put the list in increasing order", "order the list from low to high"),
        "sorted(a)",
        ("sorted(a)[::-1]", "a[::-1]"),
    ),
    Primitive(
        "sort_down",
        "list",
        "list",
        ("sort the list downwards", "put the list in decreasing order", "order the list from high to low"),
        "sorted(a)[::-1]",
        ("sorted(a)", "sorted(a)[:-1]"),
    ),
    Primitive(
        "reverse_list", "list", "list", ("reverse the list", "turn the list around"), "a[::-1]", ("a[::-2]", "a[-1:]")
    ),
    Primitive(
        "unique",
        "list",
        "list",
        ("sort and drop duplicates", "list the distinct numbers in order"),
        "sorted(set(a))",
        ("sorted(a)",),
    ),
    Primitive(
        "add_each",
        "list",
        "list",
        ("add {k} to each number", "raise every number by {k}"),
        "[x + {k} for x in a]",
        ("[x - {k} for x in a]", "[x * {k} for x in a]"),
        _SMALL,
    ),
    Primitive(
        "multiply_each",
        "list",
        "list",
        ("multiply each number by {k}", "scale every number by {k}"),
        "[x * {k} for x in a]",
        ("a * {k}", "[x + {k} for x in a]"),
        _SMALL,
    ),
    Primitive(
        "keep_even",
        "list",
        "list",
        ("keep the even numbers", "drop the odd numbers"),
        "[x for x in a if x % 2 == 0]",
        ("a[::2]", "[x for x in a if x % 2 == 1]"),
    ),
    Primitive(
        "keep_above",
        "list",
        "list",
        ("keep the numbers above {k}", "drop the numbers up to {k}"),
        "[x for x in a if x > {k}]",
        ("[x for x in a if x >= {k}]", "[x for x in a if x < {k}]"),
        _SMALL,
    ),
    Primitive(
        "drop_numbers",
        "list",
        "list",
        ("drop the first {k} numbers", "skip {k} numbers"),
        "a[{k}:]",
        ("a[{down}:]", "a[:{k}]"),
        (2, 3),
    ),
    Primitive(
        "first_numbers",
        "list",
        "list",
        ("keep the first {k} numbers", "take {k} numbers from the front"),
        "a[:{k}]",
        ("a[:{up}]", "a[{k}:]"),
        (2, 3, 4),
    ),
    # list -> int
    Primitive(
        "total", "list", "int", ("add up the numbers", "take the sum of the numbers"), "sum(a)", ("max(a)", "len(a)")
    ),
    Primitive("largest", "list", "int", ("take the largest number", "find the maximum"), "max(a)", ("min(a)", "a[0]")),
    Primitive(
        "smallest", "list", "int", ("take the smallest number", "find the minimum"), "min(a)", ("max(a)", "a[-1]")
    ),
    Primitive(
        "count_numbers",
        "list",
        "int",
        ("count the numbers", "take the length of the list"),
        "len(a)",
        ("len(a) - 1", "sum(a)"),
    ),
    Primitive(
        "count_distinct",
        "list",
        "int",
        ("count the distinct numbers", "count the different numbers"),
        "len(set(a))",
        ("len(a)", "max(a)"),
    ),
    Primitive(
        "count_above",
        "list",
        "int",
        ("count the numbers above {k}", "count how many numbers exceed {k}"),
        "sum(x > {k} for x in a)",
        ("sum(x >= {k} for x in a)", "sum(x < {k} for x in a)"),
        _SMALL,
    ),
    # list -> str
    Primitive(
        "join",
        "list",
        "str",
        ("join the numbers with dashes", "write the numbers with dashes between"),
        '"-".join(map(str, a))',
        ('"".join(map(str, a))', "str(a)"),
    ),
    # int -> int
    Primitive("add", "int", "int", ("add {k}", "increase it by {k}"), "n + {k}", ("n - {k}", "n * {k}"), _SMALL),
    Primitive(
        "subtract", "int", "int", ("subtract {k}", "decrease it by {k}"), "n - {k}", ("{k} - n", "n + {k}"), _SMALL
    ),
    Primitive(
        "multiply",
        "int",
        "int",
        ("multiply it by {k}", "scale it by {k}"),
        "n * {k}",
        ("n + {k}", "n ** 2"),
        _SMALL[1:],
    ),
    Primitive(
        "remainder",
        "int",
        "int",
        ("take it modulo {k}", "take the remainder by {k}"),
        "n % {k}",
        ("n // {k}", "n - {k}"),
        _SMALL[1:],
    ),
    Primitive(
        "divide",
        "int",
        "int",
        ("divide it by {k} rounding down", "take the quotient by {k}"),
        "n // {k}",
        ("round(n / {k})", "n % {k}"),
        _SMALL,
    ),
    Primitive("square", "int", "int", ("square it", "multiply it by itself"), "n * n", ("n + n", "n ^ 2")),
    Primitive(
        "cap",
        "int",
        "int",
        ("cap it at {k}", "limit it to at most {k}"),
        "min(n, {k})",
        ("max(n, {k})", "n % {k}"),
        (5, 6, 7, 8, 9, 20),
    ),
    Primitive("negate", "int", "int", ("flip its sign", "negate it"), "-n", ("abs(n)", "~n")),
    # int -> str
    Primitive(
        "pad",
        "int",
        "str",
        ("pad it with zeros to width {k}", "fill it up with zeros to width {k}"),
        "str(n).zfill({k})",
        ("str(n).rjust({k})", "str(n)"),
        (4, 5, 6, 7, 8),
    ),
    Primitive(
        "binary", "int", "str", ("write it in binary", "convert it to base two"), 'format(n, "b")', ("bin(n)", "str(n)")
    ),
    # int -> list
    Primitive(
        "digits",
        "int",
        "list",
        ("list its digits", "split it into digits"),
        "[int(c) for c in str(abs(n))]",
        ("[abs(n) // 10, abs(n) % 10]", "[abs(n)]"),
    ),
    Primitive(
        "count_on",
        "int",
        "list",
        ("list {k} numbers starting with it", "count on from it for {k} numbers"),
        "list(range(n, n + {k}))",
        ("list(range(n, n + {up}))", "list(range(n - {k}, n))"),
        (3, 4, 5, 6),
    ),
    # str -> str
    Primitive(
        "upper",
        "str",
        "str",
        ("make it upper case", "turn all letters into capitals"),
        "s.upper()",
        ("s.title()", "s.capitalize()"),
    ),
    Primitive(
        "reverse_text",
        "str",
        "str",
        ("reverse the text", "spell the text backwards"),
        "s[::-1]",
        ('" ".join(s.split()[::-1])', "s[::-2]"),
    ),
    Primitive(
        "reverse_words",
        "str",
        "str",
        ("reverse the word order", "put the last word first and so on"),
        '" ".join(s.split()[::-1])',
        ("s[::-1]", '"".join(s.split()[::-1])'),
    ),
    Primitive(
        "first_letters",
        "str",
        "str",
        ("keep the first {k} characters", "cut the text after {k} characters"),
        "s[:{k}]",
        ("s[:{up}]", "s[{k}:]"),
        (3, 4, 5, 6, 7),
    ),
    Primitive(
        "drop_letters",
        "str",
        "str",
        ("drop the first {k} characters", "skip {k} characters"),
        "s[{k}:]",
        ("s[{down}:]", "s[:{k}]"),
        (2, 3, 4, 5),
    ),
    Primitive(
        "remove_spaces",
        "str",
        "str",
        ("remove the spaces", "delete all spaces"),
        's.replace(" ", "")',
        ("s.strip()", 's.replace(" ", "-")'),
    ),
    Primitive(
        "repeat",
        "str",
        "str",
        ("repeat the text {k} times", "write the text {k} times"),
        "s * {k}",
        ("s * {up}", "s * {down}"),
        (2, 3, 4),
    ),
    # str -> int
    Primitive(
        "count_characters",
        "str",
        "int",
        ("count the characters", "take the length of the text"),
        "len(s)",
        ("len(set(s))", "len(s.split())"),
    ),
    Primitive(
        "count_words",
        "str",
        "int",
        ("count the words", "find the number of words"),
        "len(s.split())",
        ('s.count(" ")', "len(s)"),
    ),
    Primitive(
        "count_vowels",
        "str",
        "int",
        ("count the vowels", "find the number of vowels"),
        'sum(c in "aeiouAEIOU" for c in s)',
        ('sum(c in "aeiou" for c in s)', 'sum(c not in "aeiouAEIOU" for c in s)'),
    ),
    # str -> list
    Primitive(
        "word_lengths",
        "str",
        "list",
        ("list the word lengths", "measure each word"),
        "[len(w) for w in s.split()]",
        ("[len(w) for w in s]", "[len(s)]"),
    ),
)
