"""Archives that are read where they lie: zip, tar, tar.gz, by paths that lead into them (`photos.zip/train/1.png`)."""

from translate.storage.archives.archive import Archive
from translate.storage.archives.paths import (
    archive_at,
    archive_file,
    file_exists,
    files_below,
    folder_exists,
    folders_in,
    read_member,
)

__all__ = [
    "Archive",
    "archive_at",
    "archive_file",
    "file_exists",
    "files_below",
    "folder_exists",
    "folders_in",
    "read_member",
]
