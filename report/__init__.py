"""Pages: each one self-contained HTML file that asks for nothing, opens from the disk and shows hostile text as text.

Python gives a heading, which stands in the file as it is, and named parts of data, packed; a script out of the ``.js``
files here draws them. Imports no other room.
"""

from report.pages import Heading, counted, pack, shape_of, write_page

__all__ = ["Heading", "counted", "pack", "shape_of", "write_page"]
