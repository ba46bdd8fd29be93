"""The same classes in other languages, in the same order: what is about us first.

Words are written with their accents and folded like the texts, so both spellings match.
"""

from validatord.mail.verdict import Meaning
from validatord.rules.reply_rule import Table

_LISTED = "vendor pages of web.de, Orange, La Poste, 163, QQ; php-bounce-handler and sisimai wordings; common phrases"

TABLES: tuple[Table, ...] = (
    Table(
        "rate",
        Meaning.RATE_LIMITED,
        _LISTED,
        (
            ("latin", "viele trop demasiadas demasiados muitas muitos troppe troppi zbyt teveel cok fazla", r"(?:zu viele|trop de|demasiad[ao]s|muit[ao]s|tropp[ei]|zbyt wiele|te veel|cok fazla) (?:\w+ ){0,2}?(?:verbindung|connexion|conexi|conex|conness|polacz|verbinding|baglant|nachricht|message|mensa|mensaj|messagg|anfrage|empfanger)"),
            ("cyrillic", "слишком превышен лимит превышено", r"слишком (?:много|часто)|превышен\S* (?:лимит|числ|количеств|допустим)|лимит\S* (?:подключ|соедин|писем|сообщ)"),
            ("unspaced", "过 频 接 超", r"过于频繁|频率|连接数|超过.{0,8}(?:连接|频率|发送)|接続数|多すぎ"),
        ),
    ),
    Table(
        "our_ip",
        Meaning.SENDER_IP_BLOCKED,
        _LISTED,
        (
            (
                "latin",
                "ip adresse ihre ihr votre su sus seu sua tuo tua twoj uw adresiniz adresi liste lista noire negra nera czarna zwarte kara mailserver serveur servidor server bloquee reverse",
                r"\b(?:ihre?[mnr]?|votre|su|seu|sua|il tuo|tuo|twoj|uw) (?:\S+ ){0,2}?(?:ip\b|ips\b|server|serveur|servidor|mailserver|host)|"
                r"\b(?:liste noire|lista ne(?:gra|ra)|czarn\w+ list|zwarte lijst|kara liste|schwarze[nr]? liste)|\badresse ip source|\bip adresiniz\b|\breverse-dns",
            ),
            ("cyrillic", "ваш вашего вашему ip чёрном чёрный черном черный спамеров", r"\bваш\S* (?:\S+ ){0,2}?(?:ip|адрес|сервер|хост|домен|сет)|\bip\b{gap}(?:заблокир|запрещ|отклон)|черн\S+ спис"),
            ("unspaced", "ip 黑 逆 ブ", r"ip\S*(?:地址)?{gap}(?:禁止|黑名单|拒绝|封|ブラックリスト|拒否)|黑名单|ブラックリスト|逆引き|反向解析"),
        ),
    ),
    Table(
        "greylist",
        Meaning.GREYLISTED,
        _LISTED,
        (
            ("latin", "liste lista grise gris grigia szara grijze gri", r"\b(?:liste grise|lista gris|lista cinza|lista grigia|szar\w+ list|grijze lijst|gri liste)"),
            ("try-again", "bitte veuillez reessayer reessayez intente tente riprova riprovi sprobuj probeer tekrar versuchen versuch", r"\b(?:versuchen sie|versuch\w* es|reessay\w+|intente|tente|riprov\w+|sprobuj|probeer|tekrar dene)", "450 451"),
            ("cyrillic", "серый серые повторите попробуйте", r"сер(?:ыи|ые|ый) спис|повторите|попробуите"),
            ("unspaced", "灰 グ 稍 重 再 し", r"灰名单|灰色名单|グレイ?ー?リスト|稍后再|稍後再|再度お試し|再送して|重试"),
        ),
    ),
    Table(
        "sender",
        Meaning.SENDER_REJECTED,
        _LISTED,
        (
            ("latin", "absender expéditeur émetteur remitente remetente mittente nadawca nadawcy afzender gönderen avsändare afsender odesílatel feladó", r"\b(?:absender|expediteur|emetteur|remitente|remetente|mittente|nadawc|afzender|gonderen|avsandar|afsender|odesilatel|felado)"),
            ("cyrillic", "отправитель отправителя", r"отправител"),
            ("unspaced", "发 寄 送 差", r"(?:发件人|寄件人|发信人|寄件者){gap}(?:拒|不|无|失败|黑)|(?:拒绝|拒绝接收)(?:发件人|发信人)|(?:送信者|差出人)\S*(?:拒否|不正|無効|存在)"),
        ),
    ),
    Table(
        "relay",
        Meaning.RELAY_DENIED,
        _LISTED,
        (
            ("latin", "relay relais relé retransmisión inoltro", r"\brel(?:ay|ais|e)\b{gap}(?:nicht|verweigert|refus|interdit|no permit|nao permit|denegad|negad|negat|non|odmow|geweigerd)"),
            ("unspaced", "中 转", r"拒绝中继|拒绝中转|不允许中继|中継"),
        ),
    ),
    Table(
        "full",
        Meaning.MAILBOX_FULL,
        _LISTED,
        (
            (
                "latin",
                "voll speichervolumen speicherplatz überschritten ueberschritten zuviele pleine plein quota dépassé depasse lleno llena cuota cota excedida cheia cheio piena pieno superata pełna vol dolu plna plná fuld överfull teljes megtelt",
                r"\b(?:postfach|mailbox|konto|speicher\w*)\b{gap}\b(?:voll|uberschritten|ueberschritten|erreicht)|speichervolumen|zu ?viele mails auf|\b(?:boite|messagerie)\b{gap}\bpleine?|quota (?:depass|atteint|superat|esaurit|excedid)|"
                r"\b(?:buzon|casilla|bandeja)\b{gap}\bllen[ao]|\b(?:cuota|cota)\b{gap}(?:exced|superad|ultrapass)|\bcaixa\b{gap}\bchei[ao]|\bcasella\b{gap}\bpien[ao]|\bskrzynk\w+{gap}peln|"
                r"\b(?:mailbox|postvak|inbox)\b{gap}\bvol\b|kutusu\S* dolu|schrank\w+{gap}pln|\bespacio insuficiente",
            ),
            ("cyrillic", "ящик переполнен квота превышена переповнена", r"переполнен|квот\S*{gap}превыш|превышен\S* квот|ящик\S*{gap}полон"),
            ("unspaced", "邮 郵 空 満 容 い メ 가", r"邮箱(?:已|空间)?(?:满|不足)|空间不足|容量(?:已满|不足|超)|信箱已满|容量を超え|いっぱい|満杯|容量オーバー|" + "가득"),
        ),
    ),
    Table(
        "user_unknown",
        Meaning.NO_SUCH_MAILBOX,
        _LISTED,
        (("or-inactive", "unbekannt inconnu sconosciuto desconocido", r"\b(?:unbekannt oder|inconnue? ou|sconosciut[ao] o|desconocid[ao] o)\b"),),
    ),
    Table(
        "disabled",
        Meaning.MAILBOX_DISABLED,
        _LISTED,
        (
            (
                "latin",
                "deaktiviert gesperrt stillgelegt désactivé desactive desactivée suspendu suspendue bloqué bloque archivée archivee deshabilitada deshabilitado inactivo suspendida bloqueada expirado desativada bloccato disattivata "
                "disattivato sospeso zablokowane nieaktywne geblokkeerd devre askıya desactivada",
                r"\b(?:postfach|konto|benutzer|mailbox|account)\b{gap}(?:deaktiviert|gesperrt|stillgelegt)|\b(?:compte|boite|utilisateur|adresse)\b{gap}(?:desactive|suspendu|bloque|archive|ferme)|"
                r"\b(?:cuenta|usuario|buzon|casilla|conta|caixa)\b{gap}(?:deshabilitad|desactivad|inactiv|suspendid|bloquead|expirad|desativad|inativ)|\b(?:casella|indirizzo|account|utente)\b{gap}(?:disattiv|bloccat|sospes)|"
                r"\bkonto\b{gap}(?:zablokowan|nieaktywn)|\b(?:account|mailbox)\b{gap}(?:geblokkeerd|uitgeschakeld)|hesa\S*{gap}(?:devre disi|askiya|devre disı)",
            ),
            ("cyrillic", "ящик учётная учетная аккаунт пользователь", r"(?:ящик|учетн|аккаунт|пользовател)\S*{gap}(?:отключ|заблокир|приостанов|неактив|удален)"),
            ("unspaced", "用 邮 账 帐 ア", r"(?:用户|邮箱|账号|帐号|账户)\S{0,4}(?:禁用|被锁|锁定|冻结|停用|暂停|注销)|アカウント\S{0,4}(?:無効|停止|凍結)|利用停止"),
        ),
    ),
    Table(
        "user_unknown",
        Meaning.NO_SUCH_MAILBOX,
        _LISTED,
        (
            (
                "german",
                "benutzer postfach empfänger empfaenger empfängeradresse adressat konto adresse nutzer unbekannter ungültiger ungueltiger kein keine mailadresse",
                r"\b(?:benutzer|nutzer|postfach|empf\w+|adressat|konto|(?:e-mail-|mail)?adresse|mailbox)\b{gap}(?:unbekannt|nicht bekannt|existiert nicht|nicht (?:gefunden|vorhanden|gultig|bekannt)|gibt es nicht|ist ungultig|ungueltig)|"
                r"\b(?:unbekannte?r?|ungultige?r?|ungueltige?r?) (?:benutzer|empf\w+|adress\w+|konto|postfach)|\bkein(?:e)? (?:solche?r? )?(?:postfach|benutzer|empf\w+|konto|mailbox)",
            ),
            (
                "french",
                "utilisateur destinataire destinataires adresse boîte boite compte aucun",
                r"\b(?:utilisateur|destinataires?|adresse|boite|compte)\b{gap}(?:inconnu|inexistant|n'?existe|introuvable|invalide|non trouve|pas trouve|n'est pas valide)|\b(?:aucune?|pas d[e']) ?(?:utilisateur|boite|compte|destinataire)",
            ),
            (
                "spanish-portuguese",
                "usuario usuário destinatario destinatário buzón buzon cuenta dirección direccion casilla existe caixa conta endereço endereco persona inexistente desconocido",
                r"\b(?:usuario|destinatario|buzon|cuenta|direccion|casilla|caixa|conta|endereco|correo)\b{gap}(?:desconocid|desconhecid|no existe|nao existe|inexistente|no (?:fue )?encontrad|nao (?:foi )?encontrad|no es valid|nao e valid|invalid[ao])|"
                r"\bno existe (?:dicha|ese|el|la|esa|tal)|\bnao existe (?:o|a|este|esse|essa)",
            ),
            (
                "italian",
                "utente destinatario destin indirizzo casella nessun nessuna",
                r"\b(?:utente|destin\w*\.?|indirizzo|casella)\b[^;]{0,40}?(?:sconosciut|errato|inesistente|non esiste|non trovat|non valid)|\bnessun(?:a)? (?:utente|casella)",
            ),
            ("polish-czech", "odbiorca użytkownik adres konto konta nieznany skrzynka uživatel adresát schránka ma", r"\b(?:odbiorca|uzytkownik|adres|konto|skrzynka|uzivatel|adresat|schranka)\b{gap}(?:nie istnieje|nieznan|nie znalezion|neexistuje|neznam)|nie ma takiego|nieznany (?:uzytkownik|odbiorca|adres)"),
            ("dutch-nordic", "gebruiker ontvanger mailbox onbekende adres användare anvandare bruker bruger mottagare okänd ukendt ukjent modtager mottaker", r"\b(?:gebruiker|ontvanger|mailbox|adres|anvandaren?|bruker(?:en)?|bruger(?:en)?|mottagaren?|modtager|mottaker)\b{gap}(?:onbekend|bestaat niet|niet gevonden|finns inte|finnes ikke|findes ikke|okand|ukendt|ukjent)|\b(?:onbekende|okand|ukendt|ukjent) (?:gebruiker|ontvanger|anvandare|bruger|bruker|mottagare)"),
            ("turkish-hungarian", "kullanıcı kullanici bilinmeyen alıcı alici böyle boyle posta ismeretlen felhasználó címzett nem", r"(?:kullan[iı]c[iı]|al[iı]c[iı]|posta kutusu|adres)\S*{gap}(?:bulunamad|mevcut degil|bilinmiyor|yok|gecersiz)|bilinmeyen (?:kullan|al[iı]c)|ismeretlen (?:felhasznalo|cimzett)|(?:felhasznalo|cimzett|cim)\b{gap}(?:nem letezik|ismeretlen)"),
            ("cyrillic", "пользователь пользователя пользователю получатель ящик адрес адреса адресат неверный несуществующий неизвестный такого нет", r"(?:пользовател|получател|ящик|адрес|абонент)\S*{gap}(?:не существует|не наиден|неизвест|не зарегистр|отсутств|недоступен)|(?:неизвестн|неверн|несуществующ)\S+ (?:пользовател|получател|адрес|ящик)|нет такого|такого \S+ (?:не|нет)"),
            (
                "unspaced",
                "用 使 收 邮 郵 信 找 查 无 無 不 ユ 宛 受 該 メ 存 ア 존",
                r"(?:用户|用戶|使用者|收件人|邮箱|郵箱|信箱|收信人|帐号|账号|帳號|地址)\S{0,6}(?:不存在|未找到|无效|無效|不可用)|查[无無]此|找不到\S{0,4}(?:用户|收件人|邮箱|地址)|(?:[无無]此|没有此|没有这个|[无無]效的?|未知)(?:用户|用戶|使用者|收件人|邮箱|郵箱|信箱|账号|帳號)|"
                r"(?:ユーザー?|受信者|宛先|メールボックス|アドレス|アカウント)\S{0,14}(?:存在しません|見つかりません|不明|ありません|存在しない)|宛先不明|不明な(?:ユーザ|宛先|受信者)|" + "존재하지 않는|없는 사용자|사용자를 찾을",
            ),
        ),
    ),
    Table(
        "policy",
        Meaning.POLICY_REJECTED,
        _LISTED,
        (
            ("words", "sicherheitsgründen nachricht antyspamowy antispam courrier спам", r"sicherheitsgrunden|spam|antyspam"),
            ("unspaced", "垃 迷 ス", r"垃圾|迷惑|スパム"),
        ),
    ),
)
