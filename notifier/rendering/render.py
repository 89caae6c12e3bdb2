"""Render emails from `templates/emails/<kind>/{subject.txt,body.txt,body.html}` and the layouts in `_layout/`.

Text is never escaped, and HTML always is. Data is never taken for a template, and a name that is missing from the
context is an error. Everything slow (reading, inlining styles, compiling) happens once. If the templates are simple
enough, so does rendering: see `compiled`.
"""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import structlog
from jinja2 import BaseLoader, Environment, FileSystemLoader, StrictUndefined, Template, TemplateNotFound

from notifier.content import Filled
from notifier.content.language import DEFAULT
from notifier.emails.content_variables import reading
from notifier.mail.mime import Body
from notifier.rendering.compiled.kind import EMAILS_PER_SHAPE, CompiledKind
from notifier.rendering.compiled.probes import EmailEnvironment
from notifier.rendering.compiled.syntax_tree import NotFlat
from notifier.rendering.content_templates import FOLDER, is_made, made
from notifier.rendering.inline_css import inline_fragment, inline_page
from notifier.rendering.wrap import wordwrap

log = structlog.get_logger(__name__)

LAYOUT = "_layout/base.html"
#: Seconds between two checks for changed template files, in development.
RELOAD_SECONDS = 1.0
#: Names whose values are the same, or nearly so, for all emails of a kind.
SETTLED = frozenset({"product", "public_url", "locale", "postal_address", "category_reason"})
_KIND = re.compile(r"[a-z][a-z0-9_]*\Z")


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """The texts of one email, and the version of their templates."""

    subject: str
    text: Body = Body()  # noqa: RUF009 - a descriptor, no default
    html: Body = Body()  # noqa: RUF009 - a descriptor, no default
    template_version: str


@dataclass(frozen=True, slots=True)
class _Compiled:
    subject: Template
    text: Template
    html: Template
    version: str
    #: None if the templates are not simple enough.
    quick: CompiledKind | None


class Renderer:
    """Render emails from folders of templates. One instance serves all threads of a process."""

    def __init__(
        self,
        template_folders: Path | str | Sequence[Path | str],
        *,
        auto_reload: bool = False,
        reload_seconds: float = RELOAD_SECONDS,
        emails_per_shape: int = EMAILS_PER_SHAPE,
    ) -> None:
        """Use the templates in `emails/` below these folders; a file in an earlier one hides those of later ones.

        With `auto_reload`, for development, notice changed files. The files of a kind are checked every
        `reload_seconds` at most, because hashing them takes longer than rendering an email. `emails_per_shape`: see
        CompiledKind.
        """
        given = [template_folders] if isinstance(template_folders, Path | str) else template_folders
        self._folders = tuple(Path(each) / "emails" for each in given)
        self._auto_reload = auto_reload
        self._reload_seconds = reload_seconds
        self._look_again: dict[str, float] = {}
        self._emails_per_shape = emails_per_shape
        self._environment = _environment(self._folders)
        self._compiled: dict[str, _Compiled] = {}

    def render(self, kind: str, context: Mapping[str, object]) -> Rendered:
        """Render an email of this kind. The templates see `context`, and both bodies also `subject`.

        Raises:
            TemplateNotFound: The kind is unknown.
            UndefinedError: A name is missing from `context`.
            TemplateSyntaxError: A template cannot be compiled, or its styles cannot be inlined.
        """
        templates = self._templates(kind)
        quick, version = templates.quick, templates.version
        filled = quick.fill(context) if quick else None
        if filled is not None:
            subject, text, html = filled
            return Rendered(subject=subject, text=text, html=html, template_version=version)
        known = {**self._environment.globals, **context}
        known["subject"] = title = " ".join(_text(templates.subject, known).split())
        plain, page = _text(templates.text, known), _text(templates.html, known)
        if quick is not None:
            quick.learn(context, (title, plain, page))
        return Rendered(subject=title, text=plain, html=page, template_version=version)

    def render_content(
        self, kind: str, content: Filled, context: Mapping[str, object], placeholder: str = ""
    ) -> Rendered:
        """Render an email of this kind with edited content. `context` is as for `render`.

        `placeholder` is shown in place of the kind's own data, if the context has no such data.
        """
        template_version = self.version(kind)
        folder, part = (FOLDER, "body") if placeholder else (kind, "content")
        known = {**self._environment.globals, **context, "content": content, "placeholder": placeholder}
        known["subject"] = content.subject
        # The kind's own data and the footer are in the language of its template files.
        known |= {"own_lang": known["lang"], "own_dir": known["dir"]} | dict(reading(content.language))
        plain, page = (
            _text(self._environment.get_template(f"{folder}/{part}.{end}"), known) for end in ("txt", "html")
        )
        return Rendered(subject=content.subject, text=plain, html=page, template_version=template_version)

    def subject(self, kind: str, context: Mapping[str, object]) -> str:
        """Render the subject alone, as `render` does."""
        known = {**self._environment.globals, **context}
        return " ".join(_text(self._templates(kind).subject, known).split())

    def version(self, kind: str) -> str:
        """Return a short hash of all files that an email of this kind is made from."""
        return self._templates(kind).version

    def kinds(self) -> list[str]:
        """Return the names of the kinds that have templates."""
        return sorted({path.parent.name for folder in self._folders for path in folder.glob("[a-z]*/subject.txt")})

    def _templates(self, kind: str) -> _Compiled:
        compiled = self._compiled.get(kind)
        if compiled is None or (self._auto_reload and self._has_changed(kind, compiled.version)):
            if not _KIND.match(kind):
                raise TemplateNotFound(kind)
            compiled = self._compiled[kind] = self._compile(kind)
        return compiled

    def _has_changed(self, kind: str, version: str) -> bool:
        now = time.monotonic()
        if now < self._look_again.get(kind, 0.0):
            return False
        self._look_again[kind] = now + self._reload_seconds
        return version != _version(self._folders, kind)

    def _compile(self, kind: str) -> _Compiled:
        if self._auto_reload:
            self._environment = _environment(self._folders)
        get = self._environment.get_template
        return _Compiled(
            subject=get(f"{kind}/subject.txt"),
            text=get(f"{kind}/body.txt"),
            html=get(f"{kind}/body.html"),
            version=_version(self._folders, kind),
            quick=self._quick(kind),
        )

    def _quick(self, kind: str) -> CompiledKind | None:
        try:
            return CompiledKind(self._environment, kind, SETTLED, emails_per_shape=self._emails_per_shape)
        except NotFlat as error:
            log.debug("render.not_compiled", kind=kind, reason=str(error))
            return None


def _text(template: Template, known: dict[str, Any]) -> str:
    """Render like `template.render`, but without copying globals and context for each template."""
    return "".join(template.root_render_func(template.new_context(known, shared=True)))


class _MailLoader(BaseLoader):
    """Load templates and inline their styles."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._files = FileSystemLoader(folders)
        # This environment only splits sources into tags, exactly as they are written; it never renders.
        self._lexer = Environment(autoescape=True, keep_trailing_newline=True)
        self._known: dict[str, tuple[str, str | None, None]] = {}

    def get_source(self, environment: Environment, template: str) -> tuple[str, str | None, None]:
        if template not in self._known:
            self._known[template] = self._source(environment, template)
        return self._known[template]

    def _source(self, environment: Environment, template: str) -> tuple[str, str | None, None]:
        def file(name: str) -> str:
            return self._files.get_source(environment, name)[0]

        def read(name: str) -> str:
            return made(name, file, self._lexer) if is_made(name) else file(name)

        if is_made(template):
            source, filename = read(template), None
        else:
            source, filename, _ = self._files.get_source(environment, template)
        if template.endswith(("/body.html", "/content.html")):
            source = inline_page(template, read, self._lexer)
        elif template.endswith(".html"):
            source = inline_fragment(template, read, self._lexer, LAYOUT)
        return source, filename, None


def _environment(folders: Sequence[Path]) -> EmailEnvironment:
    environment = EmailEnvironment(
        loader=_MailLoader(folders),
        autoescape=lambda name: bool(name and name.endswith(".html")),
        undefined=StrictUndefined,
        auto_reload=False,
        cache_size=-1,
    )
    environment.filters["wordwrap"] = wordwrap
    # The language of kinds that do not name one.
    environment.globals |= reading(DEFAULT)
    return environment


def _version(folders: Sequence[Path], kind: str) -> str:
    digest = sha256()
    # A file in an earlier folder hides those of the same name in later ones.
    found = {
        str(path.relative_to(folder)): path
        for folder in reversed(folders)
        for name in ("_layout", FOLDER, kind)
        for path in (folder / name).glob("*")
    }
    for name, path in sorted(found.items()):
        if path.is_file():
            content = path.read_bytes()
            digest.update(f"{name}:{len(content)}:".encode() + content)
    return digest.hexdigest()[:12]
