"""Data sets of images, and batches of them."""

from inkwash.data.archive import archive, write_archive
from inkwash.data.batches import Batch, Batches, ConditionLookup
from inkwash.data.cifar import cifar10
from inkwash.data.describe import class_counts, class_table, describe
from inkwash.data.digits import digits
from inkwash.data.emoji import emoji
from inkwash.data.fetch import cache_folder, find_or_fetch
from inkwash.data.folder import folder
from inkwash.data.hold_out import divide, hold_out
from inkwash.data.idx import read_idx
from inkwash.data.load import is_folder, is_path, load
from inkwash.data.mnist import fashion_mnist, mnist
from inkwash.data.shuffle import indices, permutation
from inkwash.data.source import Images, Source, is_same, to_float, to_uint8
from inkwash.data.streamed import Streamed

__all__ = [
    "Batch",
    "Batches",
    "ConditionLookup",
    "Images",
    "Source",
    "Streamed",
    "archive",
    "cache_folder",
    "cifar10",
    "class_counts",
    "class_table",
    "describe",
    "digits",
    "divide",
    "emoji",
    "fashion_mnist",
    "find_or_fetch",
    "folder",
    "hold_out",
    "indices",
    "is_folder",
    "is_path",
    "is_same",
    "load",
    "mnist",
    "permutation",
    "read_idx",
    "to_float",
    "to_uint8",
    "write_archive",
]
