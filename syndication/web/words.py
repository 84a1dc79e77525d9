"""What the pages say around the texts, by language; English where a language has no row. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PageWords:
    """Names in braces are filled in by templates: `{count}`, `{part}`, `{title}` and so on."""

    language: str
    skip: str
    site: str
    subscribe: str
    series: str
    newest: str
    nothing: str
    nothing_here: str
    one_entry: str
    entries: str  # {count}
    explore: str
    part: str  # {part}
    before: str
    after: str
    previous_page: str
    next_page: str
    page_of: str  # {page}, {pages}
    pages: str
    corrected: str  # {date}
    licence: str
    independence: str
    table: str  # {number}
    follow: str  # {title}
    by_mail: str
    all_feeds: str
    next_by_mail: str
    front_page: str  # {publication}
    withdrawn: str  # {title}, {date}
    to_series: str  # {title}
    not_found: str
    not_found_text: str
    not_allowed: str
    broken: str
    broken_text: str
    feeds: str
    feeds_text: str
    own_feeds: str
    authors: str
    topics: str
    languages: str
    compose: str
    compose_text: str
    as_it_comes: str
    once_a_day: str
    once_a_week: str
    compose_do: str
    how_often: str
    your_feed: str
    feed_text: str
    other_formats: str
    in_feed: str


WORDS = {
    words.language: words
    for words in (
        PageWords(
            language="en",
            skip="Skip to the text",
            site="Site",
            subscribe="Subscribe",
            series="Series",
            newest="Newest entries",
            nothing="Nothing is published yet.",
            nothing_here="Nothing of this series is published yet.",
            one_entry="1 entry",
            entries="{count} entries",
            explore="Explore the series",
            part="Part {part}",
            before="Previous",
            after="Next",
            previous_page="Previous page",
            next_page="Next page",
            page_of="Page {page} of {pages}",
            pages="Pages of this series",
            corrected="corrected {date}",
            licence="Licence of this text",
            independence="Independence",
            table="Table {number}",
            follow="Follow {title}",
            by_mail="by e-mail",
            all_feeds="all feeds (OPML)",
            next_by_mail="Get the next entry by e-mail",
            front_page="To the front page of {publication}",
            withdrawn="“{title}” was withdrawn on {date}",
            to_series="To the series “{title}”",
            not_found="There is no such page",
            not_found_text="It may have moved, or never been here. Everything that is published is listed on the front page.",
            not_allowed="This page cannot be asked for like that",
            broken="This page cannot be shown",
            broken_text="Something here does not work as it should. The people who run this service find the reason in its "
            "log. Please try again later.",
            feeds="Feeds",
            feeds_text="A feed reader tells you when something new is here, with no e-mail address. Give it one of these.",
            own_feeds="Chosen for you",
            authors="Authors",
            topics="Topics",
            languages="Languages",
            compose="Put a feed of your own together",
            compose_text="Choose what you want to follow. Your feed has an address of its own.",
            as_it_comes="every entry as it comes",
            once_a_day="one item a day",
            once_a_week="one item a week",
            compose_do="Make the address",
            how_often="How often",
            your_feed="Your feed",
            feed_text="Copy this address into your feed reader:",
            other_formats="Other formats",
            in_feed="What is in it now",
        ),
        PageWords(
            language="de",
            skip="Zum Text springen",
            site="Website",
            subscribe="Abonnieren",
            series="Reihen",
            newest="Neueste Beiträge",
            nothing="Noch ist nichts veröffentlicht.",
            nothing_here="Aus dieser Reihe ist noch nichts veröffentlicht.",
            one_entry="1 Beitrag",
            entries="{count} Beiträge",
            explore="Die ganze Reihe",
            part="Teil {part}",
            before="Vorheriger Beitrag",
            after="Nächster Beitrag",
            previous_page="Vorherige Seite",
            next_page="Nächste Seite",
            page_of="Seite {page} von {pages}",
            pages="Seiten dieser Reihe",
            corrected="berichtigt am {date}",
            licence="Lizenz dieses Textes",
            independence="Unabhängigkeit",
            table="Tabelle {number}",
            follow="{title} verfolgen",
            by_mail="per E-Mail",
            all_feeds="alle Feeds (OPML)",
            next_by_mail="Den nächsten Beitrag per E-Mail bekommen",
            front_page="Zur Startseite von {publication}",
            withdrawn="„{title}“ wurde am {date} zurückgezogen",
            to_series="Zur Reihe „{title}“",
            not_found="Diese Seite gibt es nicht",
            not_found_text="Vielleicht ist sie umgezogen, vielleicht war sie nie hier. Alles, was veröffentlicht ist, steht "
            "auf der Startseite.",
            not_allowed="So lässt sich diese Seite nicht abrufen",
            broken="Diese Seite kann nicht gezeigt werden",
            broken_text="Hier stimmt etwas nicht. Wer diesen Dienst betreibt, findet den Grund im Protokoll. Bitte versuchen "
            "Sie es später noch einmal.",
            feeds="Feeds",
            feeds_text="Ein Feedreader meldet Ihnen Neues ohne E-Mail-Adresse. Geben Sie ihm eine dieser Adressen.",
            own_feeds="Für Sie ausgewählt",
            authors="Autorinnen und Autoren",
            topics="Themen",
            languages="Sprachen",
            compose="Einen eigenen Feed zusammenstellen",
            compose_text="Wählen Sie, was Sie verfolgen möchten. Ihr Feed hat eine eigene Adresse.",
            as_it_comes="jeden Beitrag einzeln",
            once_a_day="einmal am Tag",
            once_a_week="einmal in der Woche",
            compose_do="Adresse bilden",
            how_often="Wie oft",
            your_feed="Ihr Feed",
            feed_text="Kopieren Sie diese Adresse in Ihren Feedreader:",
            other_formats="Andere Formate",
            in_feed="Was jetzt darin steht",
        ),
        PageWords(
            language="fr",
            skip="Aller au texte",
            site="Site",
            subscribe="S’abonner",
            series="Séries",
            newest="Textes les plus récents",
            nothing="Rien n’est encore publié.",
            nothing_here="Rien de cette série n’est encore publié.",
            one_entry="1 texte",
            entries="{count} textes",
            explore="Parcourir la série",
            part="Partie {part}",
            before="Précédent",
            after="Suivant",
            previous_page="Page précédente",
            next_page="Page suivante",
            page_of="Page {page} sur {pages}",
            pages="Pages de cette série",
            corrected="corrigé le {date}",
            licence="Licence de ce texte",
            independence="Indépendance",
            table="Tableau {number}",
            follow="Suivre {title}",
            by_mail="par courriel",
            all_feeds="tous les fils (OPML)",
            next_by_mail="Recevoir le prochain texte par courriel",
            front_page="Vers la page d’accueil de {publication}",
            withdrawn="« {title} » a été retiré le {date}",
            to_series="Vers la série « {title} »",
            not_found="Cette page n’existe pas",
            not_found_text="Elle a peut-être changé d’adresse, ou n’a jamais existé. Tout ce qui est publié se trouve sur la "
            "page d’accueil.",
            not_allowed="Cette page ne peut pas être demandée ainsi",
            broken="Cette page ne peut pas être affichée",
            broken_text="Quelque chose ne fonctionne pas ici. Les responsables de ce service en trouveront la raison dans son "
            "journal. Veuillez réessayer plus tard.",
            feeds="Fils",
            feeds_text="Un lecteur de fils vous signale les nouveautés, sans courriel. Donnez-lui une de ces adresses.",
            own_feeds="Choisis pour vous",
            authors="Auteurs",
            topics="Sujets",
            languages="Langues",
            compose="Composer votre propre fil",
            compose_text="Choisissez ce que vous voulez suivre. Votre fil a sa propre adresse.",
            as_it_comes="chaque texte séparément",
            once_a_day="une fois par jour",
            once_a_week="une fois par semaine",
            compose_do="Former l’adresse",
            how_often="Fréquence",
            your_feed="Votre fil",
            feed_text="Copiez cette adresse dans votre lecteur :",
            other_formats="Autres formats",
            in_feed="Ce qu’il contient maintenant",
        ),
        PageWords(
            language="es",
            skip="Ir al texto",
            site="Sitio",
            subscribe="Suscribirse",
            series="Series",
            newest="Textos más recientes",
            nothing="Aún no se ha publicado nada.",
            nothing_here="Aún no se ha publicado nada de esta serie.",
            one_entry="1 texto",
            entries="{count} textos",
            explore="Explorar la serie",
            part="Parte {part}",
            before="Anterior",
            after="Siguiente",
            previous_page="Página anterior",
            next_page="Página siguiente",
            page_of="Página {page} de {pages}",
            pages="Páginas de esta serie",
            corrected="corregido el {date}",
            licence="Licencia de este texto",
            independence="Independencia",
            table="Tabla {number}",
            follow="Seguir {title}",
            by_mail="por correo electrónico",
            all_feeds="todos los canales (OPML)",
            next_by_mail="Recibir el próximo texto por correo electrónico",
            front_page="A la portada de {publication}",
            withdrawn="«{title}» se retiró el {date}",
            to_series="A la serie «{title}»",
            not_found="Esta página no existe",
            not_found_text="Puede que haya cambiado de dirección o que nunca haya estado aquí. Todo lo publicado se encuentra "
            "en la portada.",
            not_allowed="Esta página no se puede pedir así",
            broken="Esta página no se puede mostrar",
            broken_text="Algo no funciona aquí como debería. Quienes llevan este servicio encontrarán la razón en su "
            "registro. Vuelva a intentarlo más tarde.",
            feeds="Canales",
            feeds_text="Un lector de canales le avisa de lo nuevo, sin dirección de correo. Dele una de estas direcciones.",
            own_feeds="Elegidos para usted",
            authors="Autores",
            topics="Temas",
            languages="Idiomas",
            compose="Componer un canal propio",
            compose_text="Elija lo que quiere seguir. Su canal tiene una dirección propia.",
            as_it_comes="cada texto por separado",
            once_a_day="una vez al día",
            once_a_week="una vez a la semana",
            compose_do="Formar la dirección",
            how_often="Con qué frecuencia",
            your_feed="Su canal",
            feed_text="Copie esta dirección en su lector:",
            other_formats="Otros formatos",
            in_feed="Lo que contiene ahora",
        ),
    )
}


def words_for(language: str) -> PageWords:
    return WORDS.get(language.split("-")[0].lower(), WORDS["en"])
