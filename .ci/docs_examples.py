"""Doctests in docstrings as examples of the reference: mkdocstrings shows them where a docstring has such a section."""

from griffe import Docstring, Extension, Object


class DoctestExamples(Extension):
    """Put the doctest that ends a docstring into a section `Examples`."""

    def on_object(self, *, obj: Object, **_: object) -> None:
        """Rewrite the docstring of a function, class or module, if it ends in a doctest."""
        if obj.docstring is not None:
            obj.docstring = _with_section(obj.docstring)


def _with_section(docstring: Docstring) -> Docstring:
    lines = docstring.value.splitlines()
    start = next((number for number, line in enumerate(lines) if line.startswith(">>>")), None)
    if start is not None:
        lines[start:] = ["Examples:", *(f"    {line}".rstrip() for line in lines[start:])]
        docstring.value = "\n".join(lines)
    return docstring
