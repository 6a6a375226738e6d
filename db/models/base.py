"""The declarative base: naming of constraints and the Python-to-column type map."""

from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase

from db.columns import TYPES


class Base(DeclarativeBase):
    # Named constraints are the only ones a later migration can change on every store.
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = TYPES
