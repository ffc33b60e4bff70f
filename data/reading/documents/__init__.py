"""Documents made for readers, to conversations: web pages, Word, PDF, YAML."""

from .html import read_html
from .pdf import pdf_lines, read_pdf
from .word import docx_lines, read_docx
from .yaml_rows import read_yaml

__all__ = ["docx_lines", "pdf_lines", "read_docx", "read_html", "read_pdf", "read_yaml"]
