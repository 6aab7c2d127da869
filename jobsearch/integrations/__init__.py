"""Indexes on engines of others: vectors served by Milvus, titles matched on Spark."""
