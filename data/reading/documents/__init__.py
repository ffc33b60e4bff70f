"""Documents made for readers, to conversations: web pages, Word, PDF, YAML."""

from .html import read_html
from .pdf import read_pdf
from .word import read_docx
from .yaml_rows import read_yaml

__all__ = ["read_docx", "read_html", "read_pdf", "read_yaml"]
