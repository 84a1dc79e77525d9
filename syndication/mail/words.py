"""What a mail says around its entries, by language; English where a language has no row. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """Words in braces are put in when they are said. `language` is the language they are in."""

    language: str
    and_one: str  # {first}
    and_more: str  # {first}, {count}
    new_one: str  # {series}
    new_many: str  # {count}, {series}
    more_series: str  # {count}
    one_of: str  # {number}, {count}
    read_on: str
    by: str
    browser: str
    preferences: str
    unsubscribe: str
    why: str  # {publication}
    shortened: str
    only_titles: str
    left_over: str  # {count}
    links: str
    image: str
    note: str  # {number}
    note_begin: str  # {number}
    quotation: str
    struck: str
    related: str
    withdrawn: str
    corrected: str
    contents: str
    conjunction: str


_EN = Words(
    language="en",
    and_one="{first}, and one more",
    and_more="{first}, and {count} more",
    new_one="New in {series}",
    new_many="{count} new entries in {series}",
    more_series="{count} more series",
    one_of="{number} of {count}",
    read_on="Read it on the web",
    by="By",
    browser="Read this mail in your browser",
    preferences="Change what you get and when",
    unsubscribe="Unsubscribe",
    why="You get this mail because you asked {publication} for it.",
    shortened="These entries are too long for one mail, so here are their beginnings with links to the whole text.",
    only_titles="These entries are too long for one mail, so here are their titles, which lead to the texts.",
    left_over="And {count} more, which you find on the web.",
    links="Links in this entry",
    image="Image",
    note="note {number}",
    note_begin="Note {number}:",
    quotation="Quotation",
    struck="struck out",
    related="For more on this topic please see",
    withdrawn="This entry has been withdrawn since this mail was sent.",
    corrected="This entry has been corrected since this mail was sent. Here is the corrected text.",
    contents="In this mail",
    conjunction="and",
)

WORDS = {
    "en": _EN,
    "de": Words(
        language="de",
        and_one="{first} und ein weiterer Beitrag",
        and_more="{first} und {count} weitere",
        new_one="Neu in {series}",
        new_many="{count} neue Beiträge in {series}",
        more_series="{count} weiteren Reihen",
        one_of="{number} von {count}",
        read_on="Im Web lesen",
        by="Von",
        browser="Diese Mail im Browser lesen",
        preferences="Ändern, was Sie wann bekommen",
        unsubscribe="Abbestellen",
        why="Sie bekommen diese Mail, weil Sie {publication} darum gebeten haben.",
        shortened="Diese Beiträge sind zu lang für eine Mail; hier stehen ihre Anfänge mit Links zum ganzen Text.",
        only_titles="Diese Beiträge sind zu lang für eine Mail; hier stehen ihre Titel, die zu den Texten führen.",
        left_over="Und {count} weitere, die Sie im Web finden.",
        links="Links in diesem Beitrag",
        image="Bild",
        note="Anmerkung {number}",
        note_begin="Anmerkung {number}:",
        quotation="Zitat",
        struck="gestrichen",
        related="Mehr zu diesem Thema",
        withdrawn="Dieser Beitrag wurde nach dem Versand dieser Mail zurückgezogen.",
        corrected="Dieser Beitrag wurde nach dem Versand dieser Mail berichtigt. Hier steht der berichtigte Text.",
        contents="In dieser Mail",
        conjunction="und",
    ),
    "fr": Words(
        language="fr",
        and_one="{first}, et un autre",
        and_more="{first}, et {count} de plus",
        new_one="Nouveau dans {series}",
        new_many="{count} nouveaux articles dans {series}",
        more_series="{count} autres séries",
        one_of="{number} sur {count}",
        read_on="Lire sur le web",
        by="Par",
        browser="Lire ce courriel dans votre navigateur",
        preferences="Changer ce que vous recevez et quand",
        unsubscribe="Se désabonner",
        why="Vous recevez ce courriel parce que vous l’avez demandé à {publication}.",
        shortened="Ces articles sont trop longs pour un courriel ; en voici le début, avec des liens vers le texte entier.",
        only_titles="Ces articles sont trop longs pour un courriel ; en voici les titres, qui mènent aux textes.",
        left_over="Et {count} de plus, à lire sur le web.",
        links="Liens de cet article",
        image="Image",
        note="note {number}",
        note_begin="Note {number} :",
        quotation="Citation",
        struck="barré",
        related="À lire aussi sur ce sujet",
        withdrawn="Cet article a été retiré depuis l’envoi de ce courriel.",
        corrected="Cet article a été corrigé depuis l’envoi de ce courriel. Voici le texte corrigé.",
        contents="Dans ce courriel",
        conjunction="et",
    ),
    "es": Words(
        language="es",
        and_one="{first}, y otro más",
        and_more="{first}, y {count} más",
        new_one="Nuevo en {series}",
        new_many="{count} textos nuevos en {series}",
        more_series="{count} series más",
        one_of="{number} de {count}",
        read_on="Leer en la web",
        by="Por",
        browser="Leer este correo en el navegador",
        preferences="Cambiar lo que recibe y cuándo",
        unsubscribe="Darse de baja",
        why="Recibe este correo porque se lo pidió a {publication}.",
        shortened="Estos textos son demasiado largos para un correo; aquí están sus comienzos con enlaces al texto entero.",
        only_titles="Estos textos son demasiado largos para un correo; aquí están sus títulos, que llevan a los textos.",
        left_over="Y {count} más, que encontrará en la web.",
        links="Enlaces de este texto",
        image="Imagen",
        note="nota {number}",
        note_begin="Nota {number}:",
        quotation="Cita",
        struck="tachado",
        related="Más sobre este tema",
        withdrawn="Este texto se retiró después de enviarse este correo.",
        corrected="Este texto se corrigió después de enviarse este correo. Este es el texto corregido.",
        contents="En este correo",
        conjunction="y",
    ),
}  # fmt: skip


def words_for(language: str) -> Words:
    return WORDS.get(language.split("-")[0].lower(), _EN)


def spoken(language: str) -> str:
    """The tag of what `words_for` says to readers of `language`: that tag itself where there are words in it."""
    words = words_for(language)
    return language if language.split("-")[0].lower() == words.language else words.language


def enumerated(names: list[str], words: Words) -> str:
    """`A`, `A and B`, `A, B and C`, in the language of `words`."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {words.conjunction} {names[-1]}"
