"""One version of an adapter looked at closely: its report, and whether its files are sound."""

from data.wording import LANGUAGES, language
from finetune.adapters.files import REPORT_FILE, REPORT_IN, SERVED_FILES
from finetune.adapters.version import AdapterVersion
from finetune.adapters.versions import find_version
from finetune.errors import AdapterInvalid
from service.accounts.caller import check_mine, current_caller
from service.errors import ReportNotFound
from serving.adapters.store import AdapterStore
from serving.errors import AdapterRefused, ModelNotFound
from serving.verification import CHECKS, verify_served

from .protocol import CheckResult, Verification

PAGES = (REPORT_FILE, *(REPORT_IN.format(language=each) for each in LANGUAGES))
FILES = (*SERVED_FILES, *PAGES)


class VersionInspection:
    """Looks at damaged versions, too. Reads files, and so belongs into a thread."""

    def __init__(self, store: AdapterStore) -> None:
        self._store = store

    def report(self, name: str, number: str) -> bytes:
        """The page that its training wrote, in the spoken language where it wrote one. Raises
        ModelNotFound, ReportNotFound or AdapterRefused."""
        version = self._find(name, number)
        pages = REPORT_IN.format(language=language()), REPORT_FILE
        found = (path for page in pages if (path := version.folder / page).is_file())
        if (path := next(found, None)) is None:
            raise ReportNotFound(str(version))
        try:
            return path.read_bytes()
        except OSError as error:
            raise AdapterRefused.of(error, version) from error

    def verify(self, name: str, number: str) -> Verification:
        """Raises ModelNotFound or AdapterRefused."""
        version = self._find(name, number)
        verdicts = verify_served(version, self._store)
        done = {verdict.check for verdict in verdicts}
        return Verification(
            id=str(version),
            passed=all(verdict.passed for verdict in verdicts),
            checks=[CheckResult.of(verdict) for verdict in verdicts],
            left_out=[check.name for check in CHECKS if check.name not in done],
        )

    def _find(self, name: str, number: str) -> AdapterVersion:
        """The caller's version of that number. Raises ModelNotFound, or AdapterRefused where links
        lead elsewhere."""
        check_mine(name)
        try:
            version = find_version(self._store.adapters, f"{name}@{number}")
        except AdapterInvalid:
            may_use = current_caller.get().may_use
            usable = [each for each in self._store.names() if may_use(each)]
            raise ModelNotFound(f"{name}@{number}", usable) from None
        try:
            self._store.check_place(version.folder, FILES)
        except AdapterInvalid as error:
            raise AdapterRefused.of(error, version) from error
        return version
