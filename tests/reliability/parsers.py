"""Every parser of the project that reads what may come from elsewhere."""

from __future__ import annotations

import archive_parsers
import image_parsers
import table_parsers
import text_parsers
from judge import Parser

PARSERS: dict[str, Parser] = {
    value.name: value
    for module in (text_parsers, table_parsers, archive_parsers, image_parsers)
    for value in vars(module).values()
    if isinstance(value, Parser)
}
