"""OpenAI's shapes of files, and ours of a check."""

from typing import Literal, Self

from pydantic import BaseModel

from service.api.protocol import Listed, Page, absent
from service.files.check_report import CheckReport, Finding, Preview, ToldFault
from service.files.stored_file import FileStatus, Purpose, StoredFile


class FileObject(Listed):
    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    filename: str
    purpose: Purpose
    status: FileStatus
    status_details: str | None = absent()  # what is wrong with it, and in which lines
    expires_at: int | None = absent()
    num_conversations: int | None = absent()  # ours

    @classmethod
    def of(cls, file: StoredFile) -> Self:
        return cls(
            id=file.id,
            bytes=file.num_bytes,
            created_at=file.created,
            filename=file.filename,
            purpose=file.purpose,
            status=file.status,
            status_details=file.status_details,
            expires_at=file.expires,
            num_conversations=file.num_conversations,
        )


class FileList(Page[FileObject]):
    pass


class FileDeleted(BaseModel):
    id: str
    object: Literal["file"] = "file"
    deleted: Literal[True] = True


class FileCheck(BaseModel):
    """What training would make of a file."""

    id: str
    object: Literal["file.check"] = "file.check"
    status: FileStatus
    num_conversations: int | None
    num_faults: int
    faults: list[ToldFault]  # the first ones that training would refuse
    findings: list[Finding]  # all kinds, with their first examples
    preview: list[Preview]  # the first conversations, as trained
    preview_left_out: bool = False  # as it would be too large

    @classmethod
    def of(cls, file: StoredFile, report: CheckReport) -> Self:
        told = report.model_dump(exclude={"details"})
        return cls.model_validate({"id": file.id, "status": report.status, **told})

    @classmethod
    def unread(cls, file: StoredFile) -> Self:
        """The check of a file that waits for it, is none to train on, or is missing."""
        return cls(
            id=file.id,
            status=file.status,
            num_conversations=file.num_conversations,
            num_faults=int(file.status == "error"),
            faults=_faults(file),
            findings=[],
            preview=[],
        )


def _faults(file: StoredFile) -> list[ToldFault]:
    if file.status_details is None:
        return []
    told = file.status_details
    return [ToldFault(source=file.filename, line=None, field="file", message=told)]
