# SPDX-License-Identifier: Apache-2.0
"""What a group has committed, with its metadata.

Asked by kafka-python: confluent-kafka takes the metadata for a string that ends in NUL, which librdkafka's copy does
not, and reads on into whatever lies behind it."""
import kafka


def committed(brokers, group, topic):
    """{partition: (offset, metadata)}"""
    admin = kafka.KafkaAdminClient(bootstrap_servers=brokers)
    try:
        found = admin.list_group_offsets({group: None})[group]
    finally:
        admin.close()
    return {place.partition: (at.offset, at.metadata) for place, at in found.items() if place.topic == topic}
