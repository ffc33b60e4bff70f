"""Chats as programs save them: who wrote when, and what."""
