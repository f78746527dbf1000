"""What all functions share: one client, one logger."""

import boto3
from aws_lambda_powertools import Logger
from boto3.dynamodb.types import TypeDeserializer

logger = Logger()
dynamodb = boto3.client("dynamodb")

_deserialize = TypeDeserializer().deserialize


def plain(item):
    """An item without DynamoDB's types."""
    return {name: _deserialize(value) for name, value in item.items()}
