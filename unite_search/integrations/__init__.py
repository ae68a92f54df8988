"""Our encoders in the frameworks of others; each module needs the package it is named after."""
