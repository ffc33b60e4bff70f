"""Addresses in English, as the United States write them."""

import re

from .kind import by_patterns

WORD = r"(?:[A-Z][\w'’-]*\.?|\d{1,3}(?:st|nd|rd|th)|of|the)"
STREET = (
    r"(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Drive|Dr|Lane|Ln|Court|Ct|Place|Pl|Terrace|Ter"
    r"|Parkway|Pkwy|Circle|Cir|Highway|Hwy|Square|Sq|Way|Trail|Trl|Alley|Crescent|Close)"
    r"\b(?:\.(?=,| (?:Apt|Apartment|Suite|Ste|Unit|#)))?"
)
UNIT = r"(?:,? (?:(?:Apt|Apartment|Suite|Ste|Unit|Room|Rm|Floor)\b\.? ?#?|# ?)[\w-]{1,6})"
STATE = (
    r"(?:A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEHINOPST]|N[CDEHJMVY]|O[HKR]|PA|RI|S[CD]"
    r"|T[NX]|UT|V[AIT]|W[AIVY]|PR|GU|AS|MP|FM|MH|PW)"
)
ZIP = r"\d{5}(?:-\d{4})?\b"
TOWN = r"[A-Z][A-Za-z.'’-]*(?: [A-Z][A-Za-z.'’-]*){0,3}"
CITY = rf"{TOWN}(?:,? {STATE}\b(?:,? {ZIP})?|,? {ZIP})"

find_addresses = by_patterns(
    re.compile(
        rf"(?<![\d.])\d{{1,6}}[A-Z]? {WORD}(?: {WORD}){{0,4}}? ?(?:(?<= ){STREET}){UNIT}?"
        rf"(?:[, \n]{{1,2}}{CITY})?"
    ),
    # With its city, state and code, whatever the street is called.
    re.compile(
        rf"(?<![\d.])\d{{1,6}}(?: {WORD}){{1,5}}{UNIT}?[, \n]{{1,2}}{TOWN},? {STATE},? {ZIP}"
    ),
    re.compile(
        r"(?:USNS|USNV|USS|USCGC|PSC|CMR|Unit) [^\n,]{1,30}(?:, Box \d{1,6})?[, \n]{1,2}"
        rf"(?:APO|FPO|DPO),? A[AEP] {ZIP}"
    ),
    re.compile(rf"\bP\.? ?O\.? Box \d{{1,6}}(?:[, \n]{{1,2}}{CITY})?"),
)
