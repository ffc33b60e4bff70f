"""Where something read stands, told by the document's own places: its pages, paragraphs, lines."""

from collections.abc import Callable
from dataclasses import replace

from data.reading.faulty import Draft, Read


def moved(item: Read, place_of: Callable[[int], int]) -> Read:
    """`place_of` says where a line of the text that was read stands."""
    if not isinstance(item, Draft):
        return replace(item, line=place_of(item.line))
    conversation = replace(item.conversation, line=place_of(item.conversation.line))
    faults = tuple(replace(fault, line=place_of(fault.line)) for fault in item.faults)
    return replace(item, conversation=conversation, faults=faults)
