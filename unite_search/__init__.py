"""Multimodal search over folders of videos, images and text."""
