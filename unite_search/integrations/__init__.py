"""Adapters that use the encoders in other frameworks; each module needs the package it is named after."""
