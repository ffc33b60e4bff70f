"""A file read as training would read it, by a process that may be killed for what it reads.

    python -P -m service.files.check FILE LANGUAGE MEMORY SECONDS

Prints a `CheckReport` as JSON. Files come from anybody who may train: a small one can unpack to a
terabyte. So memory and time are limited before the file is opened, and nobody else waits for it.
"""

import os
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from data.checking.check import Findings, check
from data.conversation import Conversation, Item, Message
from data.errors import DataError, Fault, UnreadableFile
from data.reading.reader import ReadOptions, read_items
from data.wording import LANGUAGES, _, speak

from .check_report import CheckReport, Finding, Preview, PreviewMessage, ToldFault, failed

OUT_OF_MEMORY, UNEXPECTED = 3, 4  # exit codes
SMALL = 2 << 20  # [bytes] of a file that somebody waits for
BEHIND = 10  # how much nicer to others the check of a larger one is
MOST_FAULTS = 100
MOST_IN_DETAILS = 20
MOST_EXAMPLES = 3
NUM_PREVIEWED = 3
MOST_MESSAGES = 40  # of a conversation in the preview
LONGEST_TEXT = 4_000  # [characters] of a message in the preview
MOST_ENTRIES = 40  # of each list and each object in tools and their calls in the preview
LONGEST_MESSAGE = 300  # [characters] of a fault
MOST_PRINTED = 256 << 10  # [bytes]
READ = ReadOptions(with_bad=True)  # what it will be used for is not known yet


def main(arguments: Sequence[str]) -> int:
    path, memory, seconds = Path(arguments[0]), int(arguments[2]), int(arguments[3])
    speak(next(each for each in LANGUAGES if each == arguments[1]))
    try:
        _limit(memory, seconds, is_small=path.stat().st_size <= SMALL)
        os.chdir(path.parent)  # so that no fault says where the server keeps files
        report = check_file(path.name)
    except MemoryError:
        return OUT_OF_MEMORY
    except Exception as error:  # noqa: BLE001 - the border of this process
        # Without its message, which may hold what people wrote.
        sys.stderr.write("".join(traceback.format_tb(error.__traceback__)) + type(error).__name__)
        return UNEXPECTED
    sys.stdout.buffer.write(printed(report))
    return 0


def printed(report: CheckReport) -> bytes:
    """The report in as many bytes as a server takes: what is too large goes without the preview,
    and with few examples."""
    without = report.model_copy(update={"preview": [], "preview_left_out": True})
    kinds = [each.model_copy(update={"examples": []}) for each in report.findings]
    few = {"faults": report.faults[:MOST_IN_DETAILS], "findings": kinds}
    for told in (report, without):
        if len(content := told.model_dump_json().encode()) <= MOST_PRINTED:
            return content
    return without.model_copy(update=few).model_dump_json().encode()


def check_file(name: str) -> CheckReport:
    """All that can be said of a file in the current folder before anything is trained on it."""
    previews: list[Conversation] = []
    try:
        findings = check(_noting(read_items(name, READ), previews))
    except UnreadableFile as error:
        return failed(name, _("file"), _clean(error.problem))
    except DataError as error:
        return failed(name, _("file"), _clean(str(error)))
    return _report(name, findings, previews)


def _noting(items: Iterable[Item], previews: list[Conversation]) -> Iterator[Item]:
    """The items as they are; the first conversations are noted."""
    for item in items:
        if isinstance(item, Conversation) and len(previews) < NUM_PREVIEWED:
            previews.append(item)
        yield item


def _report(name: str, findings: Findings, previews: Sequence[Conversation]) -> CheckReport:
    errors = [_told(each) for each in findings.faults if each.severity == "error"]
    return CheckReport(
        num_conversations=findings.num_conversations,
        num_faults=findings.num_errors,
        faults=errors[:MOST_FAULTS],
        findings=[_finding(*key, findings) for key in findings.counts],
        preview=[_preview(each) for each in previews],
        details=_details(name, errors, findings.num_errors) if errors else None,
    )


def _details(name: str, errors: Sequence[ToldFault], count: int) -> str:
    summary = _("{files}: faults in the data: {count}").format(files=name, count=count)
    shown = [f"{e.source}:{e.line}: {e.field}: {e.message}" for e in errors[:MOST_IN_DETAILS]]
    if count > len(shown):
        shown.append(_("… and {count:,} more").format(count=count - len(shown)))
    return "\n".join([summary, *shown])


def _finding(severity: Any, kind: str, findings: Findings) -> Finding:
    alike = [each for each in findings.faults if (each.severity, each.kind) == (severity, kind)]
    return Finding(
        severity=severity,
        kind=kind,
        title=_(kind),
        count=findings.counts[severity, kind],
        examples=[_told(each) for each in alike[:MOST_EXAMPLES]],
    )


def _told(fault: Fault) -> ToldFault:
    return ToldFault(
        source=_clean(fault.source),
        line=fault.line,
        field=_clean(fault.field),
        message=_clean(fault.told),
    )


def _preview(conversation: Conversation) -> Preview:
    return Preview(
        line=conversation.line,
        messages=[_message(each) for each in conversation.messages[:MOST_MESSAGES]],
        tools=_entries(conversation.tools),
    )


def _message(message: Message) -> PreviewMessage:
    return PreviewMessage(
        role=message.role,
        content=_shown(message.content),
        trained=message.is_trained,
        tool_calls=_entries(message.tool_calls),
        tool_call_id=message.tool_call_id and _shown(message.tool_call_id),
        name=message.name and _shown(message.name),
    )


def _entries(value: Any) -> Any:
    """JSON with its first entries and the beginnings of its texts."""
    if isinstance(value, str):
        return _shown(value)
    if isinstance(value, Mapping):
        return {_shown(key): _entries(value[key]) for key in islice(value, MOST_ENTRIES)}
    if isinstance(value, Sequence):
        return [_entries(each) for each in value[:MOST_ENTRIES]]
    return value


def _shown(text: str) -> str:
    return _clean(text, LONGEST_TEXT)


def _clean(text: str, longest: int = LONGEST_MESSAGE) -> str:
    """The beginning, without what JSON or a database could not hold."""
    cut = text if len(text) <= longest else f"{text[:longest]}…"
    return cut.replace("\0", "\ufffd").encode(errors="replace").decode()


def _limit(memory: int, seconds: int, *, is_small: bool) -> None:
    """`memory` in bytes. Systems without limits have the time's alone, which the server keeps."""
    if sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    # At the higher limit, Linux kills as it does where memory ends.
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    if not is_small:
        os.nice(BEHIND)
    with suppress(OSError):  # on Linux, the first one to go where memory ends
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
