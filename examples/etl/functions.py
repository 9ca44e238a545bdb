"""The functions of the pipeline, as Lambda calls them on AWS and `run` on this machine. Each may be repeated."""

import csv
import datetime
import io
import json
import statistics

COLUMNS = ["day", "shop", "amount"]


class WrongSchema(Exception):
    """The file does not have the columns that it should have."""


class WrongValue(Exception):
    """A row has a value of another type."""


class S3:
    """Objects on AWS. On this machine, `run` sets another store."""

    def get(self, bucket, key):
        """The bytes of an object."""
        import boto3  # Lambda's Python has it.

        return boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()

    def put(self, bucket, key, body):
        """Writes an object."""
        import boto3

        boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=body)


store = S3()


def _rows(file):
    """The rows with their numbers as in an editor, each with its values."""
    text = store.get(file["bucket"], file["key"]).decode("utf-8-sig", "strict")
    reader = csv.DictReader(io.StringIO(text))
    for row in reader:
        try:
            yield datetime.date.fromisoformat(row["day"]).isoformat(), row["shop"], round(float(row["amount"]), 2)
        except (TypeError, ValueError) as error:
            raise WrongValue(f"{file['key']}: line {reader.line_num}: {error}") from error


def validate(file, _context=None):
    """Checks the columns, and that there are rows."""
    try:
        text = store.get(file["bucket"], file["key"]).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise WrongSchema(f"{file['key']}: byte {error.start} is not UTF-8") from error
    lines = list(csv.reader(io.StringIO(text)))
    if not lines or lines[0] != COLUMNS:
        raise WrongSchema(f"{file['key']}: line 1: the columns must be {','.join(COLUMNS)}")
    if len(lines) == 1:
        raise WrongSchema(f"{file['key']}: there are no rows")
    return {"rows": len(lines) - 1}


def process(file, _context=None):
    """Writes the rows as JSON lines."""
    rows = [{"day": day, "shop": shop, "amount": amount} for day, shop, amount in _rows(file)]
    key = "processed/" + _name(file) + ".jsonl"
    store.put(file["bucket"], key, "".join(json.dumps(row) + "\n" for row in rows).encode())
    return {"rows": len(rows), "processed": key}


def detect(file, _context=None):
    """Counts amounts that are far from the median: more than ten times the median distance from it."""
    amounts = [amount for _, _, amount in _rows(file)]
    median = statistics.median(amounts)
    distance = statistics.median(abs(amount - median) for amount in amounts) or 1
    return {"anomalies": sum(abs(amount - median) > 10 * distance for amount in amounts)}


def load(file, _context=None):
    """Writes the processed rows where the warehouse reads them. A file that is loaded again replaces its rows."""
    rows = store.get(file["bucket"], file["processed"])
    store.put(file["bucket"], "warehouse/" + _name(file) + ".jsonl", rows)
    return {"rows": file["rows"], "anomalies": file["anomalies"]}


def _name(file):
    return file["key"].split("/")[-1].removesuffix(".csv")
