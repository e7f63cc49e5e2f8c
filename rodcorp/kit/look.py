"""Brand and palette. Imported by the settings, so it imports nothing that needs them."""

from django.http import HttpRequest

# Indigo, in Tailwind's steps: white text on 600 and the 700 on white have a contrast above 4.5.
COLORS = {
    "primary": {
        "50": "oklch(96.2% .018 272.314)",
        "100": "oklch(93% .034 272.788)",
        "200": "oklch(87% .065 274.039)",
        "300": "oklch(78.5% .115 274.713)",
        "400": "oklch(67.3% .182 276.935)",
        "500": "oklch(58.5% .233 277.117)",
        "600": "oklch(51.1% .262 276.966)",
        "700": "oklch(45.7% .24 277.023)",
        "800": "oklch(39.8% .195 277.366)",
        "900": "oklch(35.9% .144 278.697)",
        "950": "oklch(25.7% .09 281.288)",
    },
}


def icon(request: HttpRequest) -> str:
    return "/static/kit/icon.svg"


def stylesheet(request: HttpRequest) -> str:
    return "/static/kit/console.css"
