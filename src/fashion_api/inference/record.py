"""The base of the records in a manifest."""

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """Part of a manifest; it ignores unknown fields, so that an older version can read a newer manifest."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        protected_namespaces=(),
        json_schema_serialization_defaults_required=True,  # as in the other answers of the API
    )
