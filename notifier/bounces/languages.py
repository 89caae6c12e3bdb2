"""What mail systems and absent people say in other languages than English: alternatives of patterns, in lower case."""

#: Words for an address or a person with one, and words for "there is none", by language.
WHO_IS_GONE = {
    "german": (
        r"empf(?:ä|ae)nger|adress|(?:e-?mail-?|mail)adresse|benutzer|postfach|konto|mailbox|account",
        r"unbekannt|existier(?:t|te|en) nicht|nicht existi|nicht gefunden|nicht (?:vorhanden|bekannt|g(?:ü|ue)ltig)"
        r"|ung(?:ü|ue)ltig|gibt es nicht|nicht im (?:domino-)?verzeichnis"
        r"|nicht mehr (?:g(?:ü|ue)ltig|vorhanden|aktuell)",
    ),
    "french": (
        r"adresse|destinataire|utilisateur|bo(?:î|i)te|compte|messagerie",
        r"inconnu|n['\u2019 ]existe(?:nt)? (?:pas|plus)|inexistant|introuvable|non recens|invalide"
        r"|n['\u2019](?:a|est) pas (?:pu être |été )?(?:trouv|valide|connu|reconnu)"
        r"|impossible de trouver|ne figure pas dans",
    ),
    "spanish and portuguese": (
        r"usu[aá]rio|utilizador|destinat[aá]rio|direcci[oó]n|endere[cç]o|cuenta|conta\b|buz[oó]n|casilla|caixa"
        r"|correo|persona",
        r"desconocid[oa]|desconhecid[oa]|no figura en|(?:no|n[aã]o) consta (?:en|n[oa])"
        r"|no (?:existe|v[aá]lid[oa]|encontrad[oa])|n[aã]o (?:existe|encontrad[oa])"
        r"|inexistente|inv[aá]lid[oa]|no (?:se )?(?:ha |pudo )?(?:sido )?(?:encontr)"
        r"|n[aã]o (?:foi|p[oô]de ser) (?:poss[ií]vel )?(?:encontr|localiz)|n[aã]o cadastrad",
    ),
    "italian": (
        r"utente|indirizzo|destinatario|casella|account",
        r"sconosciut[oa]|non (?:esiste|trovat[oa]|valid[oa])|inesistente"
        r"|non (?:è|e') (?:stat[oa] )?(?:trovat|valid|presente)|impossibile trovare|non presente|errat[oa]\b",
    ),
    "dutch": (
        r"gebruiker|geadresseerde|ontvanger|(?:e-?mail)?adres|postvak|mailbox",
        r"onbekend|bestaat niet|niet (?:gevonden|bekend|geldig)|ongeldig|(?:kan|kon) niet worden gevonden",
    ),
    "nordic": (
        r"mottagar|mottaker|modtager|adress|användar|bruker|vastaanottaja|osoite|konto|kasutaja"
        r"|käyttäjä|postl(?:å|aa)d",
        r"ei leitud|okänd|ukjent|ukendt|finns inte|finnes ikke|findes ikke|hittades inte|kunde inte hittas|tuntematon"
        r"|(?:blev|ble|kunne) ikke (?:blive )?(?:fundet|funnet)|eksisterer ikke|existerar inte"
        r"|ei (?:löydy|löytynyt|ole olemassa)",
    ),
    "slavic": (
        r"użytkownik|odbiorc|adres|skrzynk|kont[oa]\b|uživatel|příjemc|príjemc|schránk|korisni[ck]|uporabnik|adresat|vartotoj|lietotāj"
        r"|пользовател"
        r"|получател|адрес|ящик|почтов|користувач|аккаунт",
        r"nieznan|nie istnieje|nie (?:można |został[ao]? )?znale(?:źć|zion)|nie ma takiego|nieprawidłow|neexistuje"
        r"|neznám|nebyla?[^.;]{0,50} nalezen|nebylo možné najít|не найден|не удалось найти|не существует|неизвест"
        r"|не зарегистрирован|не знайдено|не вдалося знайти|невідом|несуществующ"
        r"|не съществува|ne postoji|nije pronađen|ne obstaja|nerastas|neegzistuoja|neeksistē|nav atrasts"
        r"|не існує|не является действительн|нет такого",
    ),
    "turkish, hungarian, greek, romanian": (
        r"kullan\u0131c\u0131|adres|al\u0131c\u0131|posta kutusu|címzett|cím\b|felhasználó|postafiók"
        r"|παραλήπτη|διεύθυνση|χρήστη|destinatar|utilizator|căsuța",
        r"bulunamad\u0131|bilinmeyen|mevcut değil|geçersiz|nem létez|ismeretlen|nem található|δεν υπάρχει"
        r"|δεν βρέθηκε|άγνωστ|nu (?:a fost|este|poate fi) găsit|nu există|necunoscut",
    ),
    "hebrew, arabic, thai, vietnamese": (
        r"כתובת|נמען|משתמש|תיבת|المستلم|البريد|عنوان|المستخدم|ที่อยู่|ผู้รับ|địa chỉ|người (?:nhận|dùng)",
        r"לא נמצא|אינ[הו] קיי|לא קיי|לא ידוע|لم يتم العثور|غير موجود|غير معروف|لا يوجد"
        r"|ไม่พบ|ไม่มี|không (?:tồn tại|tìm thấy)",
    ),
    "chinese, japanese, korean": (
        r"用户|用戶|收件人|收件者|郵箱|邮箱|地址|使用者|帳號|帐号|账号|账户|信箱|宛先|あて先|ユーザ|アドレス|受信者|メールボックス"
        r"|ディレクトリ|받는 ?사람|사용자|수신자|주소",
        r"不存在|未找到|找不到|無此|无此|查無|无效|無效|不正确|存在しま|見つかりま|見つけられ|不明|ありません"
        r"|リストにありません|リストされていません|登録されていません|空号|已注销|없습니다|존재하지|찾을 수 없",
    ),
}
#: The same, where the words stand in another order.
NO_SUCH_USER = (
    r"nessun utente|geen gebruiker|无此用户|查無此人|нет такого пользователя"
    r"|kein(?:e|en)? (?:solch\w+ )?(?:benutzer|empf)"
)
#: A directory lists no such person.
NOT_IN_DIRECTORY = (
    r"nicht im domino[- ](?:verzeichnis|directory)|im domino[- ](?:verzeichnis|directory) nicht "
    r"(?:enthalten|aufge|gefunden|gelistet|vorhanden)"
    r"|リストにありません|ディレクトリにリストされていません"
)
#: The domain does not exist.
HOST_UNKNOWN = (
    r"domain (?:unbekannt|existiert nicht)"
    r"|(?:domaine|dominio|dom[ií]nio) (?:\S+ ){0,2}(?:inconnu|inexistant"
    r"|n'existe pas|no existe|inexistente|desconocido|não existe|sconosciuto)"
    r"|домен\S* (?:\S+ ){0,2}не (?:найден|существует)|域名不存在|ドメイン[^。]{0,15}(?:存在しま|見つかりま)"
)
#: The mailbox may come back.
SUSPENDED = (
    r"gesperrt|bloqu[eé]|bloccat|zablokowan|nieaktywn|заблокирован|отключен|archiv[eé]e|d[eé]sactiv[eé]e"
    r"|expirado por falta de uso|停用|冻结|凍結|休眠|휴면"
)
#: The mailbox is full.
FULL = (
    r"speicher[^.;]{0,40}(?:voll|ersch(?:ö|oe)pft)|(?:kontingent|quota|speicher)[^.;]{0,40}(?:ü|ue)berschritten"
    r"|postfach[^.;]{0,30}(?:voll|(?:ü|ue)berf)|bo(?:î|i)te[^.;]{0,40}(?:pleine|satur)"
    r"|(?:cuota|cota)[^.;]{0,30}(?:exced|super)"
    r"|(?:buz[oó]n|casilla|caixa|casella)[^.;]{0,40}(?:llen[ao]|chei[ao]|pien[ao]|lotad[ao])|переполнен"
    r"|превышен\w* (?:квот|лимит|размер)|skrzynk[^.;]{0,30}(?:pełna|przepełn)|volle? (?:mailbox|postvak)"
    r"|(?:mailbox|postvak|brevlåda|postkasse)[^.;]{0,20}(?:vol\b|full)|容量|已满|已滿|满了|いっぱい|空間不足"
    r"|空间不足|공간|초과"
)
#: The email is late.
DELAYED = r"wird weiterhin|encore en attente|seguir[aá] intent"
#: No system tries any more.
FOR_GOOD = r"endg(?:ü|ue)ltig|d[eé]finitive"
#: An email was not delivered.
FAILED = (
    r"nicht (?:\w+ )?(?:zugestellt|ausgeliefert|übermittelt|zustell)|unzustellbar"
    r"|zustell[^.;]{0,30}(?:fehl|nicht)"
    r"|(?:n'a|n'ont|pas|pu)[^.;]{0,30}(?:remis|délivr|delivr|distribu|livr|achemin)|non remis|échec"
    r"|impossible de (?:remettre|distribuer|livrer)"
    r"|no (?:se )?(?:ha |pudo |puede |pudieron |fue )?(?:posible |podido )?(?:ser )?(?:entreg|enviar)"
    r"|n[aã]o (?:foi |p[oô]de |pode |pôde )?(?:poss[ií]vel )?(?:ser )?(?:entreg|enviad)"
    r"|non (?:è stato |e' stato |può |ha potuto )?(?:possibile )?(?:essere )?(?:recapit|consegn|inoltr)"
    r"|mancat[ao] (?:consegna|recapito)|niet (?:worden )?(?:afgeleverd|bezorgd|worden)|kunde inte (?:levereras|nå)"
    r"|kunne ikke (?:leveres|sendes)|ei (?:voitu|voida) (?:toimittaa|lähettää)"
    r"|nie (?:mogła|można|został\w*)[^.;]{0,30}(?:dostarcz|doręcz)|nedoručen|nelze doručit"
    r"|не (?:было |может быть |удалось |доставлен)\w*(?:\s?достав\w*)?|невозможно|недостав|сбой доставки"
    r"|не вдалося доставити|falha na entrega|não é possível entregar|error al entregar|recapito non riuscito"
    r"|bezorging is mislukt|lever(?:ing|ans)[^.;]{0,20}(?:mislykke|misslycka)|doručení[^.;]{0,90}nezdařilo"
    r"|livrarea nu a reușit|המסירה נכשלה|فشل التسليم|gửi thư không thành công|teslim edilemedi"
    r"|iletilemedi|kézbesít\w* sikertelen|nem kézbesíthető|δεν (?:ήταν δυνατή|παραδόθηκε)|配信(?:でき|不能|され)"
    r"|送信でき|届けられ|配送でき|配達でき|エラーメール|无法(?:投递|送达|发送|递送)|無法(?:投遞|傳送|送達|遞送)"
    r"|送信エラー|エラーのため送信|送達でき|无法向|无法传递|無法送|退信|退回"
    r"|投递失败|发送失败|被退回|전송(?:하지|되지|할 수| 실패)|배달(?:하지|되지| 실패)"
)
#: The subject of an automatic reply.
AUTO_SUBJECT = (
    r"abwesen|automatische? (?:antwort|e-?mail)|nicht im (?:b(?:ü|ue)ro|haus)|r[eé]ponse automatique"
    r"|absen(?:ce|t) du bureau|message d'absence|respuesta autom|fuera de (?:la )?oficina|resposta autom"
    r"|fora do escrit|aus[eê]ncia|risposta automatica|fuori (?:ufficio|sede)|assen[tz]|afwezig"
    r"|automatisch antwoord|niet op kantoor|autosvar|automatiskt? svar|frånvaro|fravær|poissa"
    r"|automaattinen vastaus|automatyczna odpowied|automatická odpověď|автоответ|автоматический ответ"
    r"|otomatik (?:yan\u0131t|cevap)|自動(?:返信|応答|回答|回覆)|自动(?:回复|答复)|不在|부재|자동 ?(?:응답|회신)"
    r"|automatisk svar|automatická odpoveď|automatikus válasz|házon kívül|răspuns automat|automatski odgovor"
    r"|samodejni odgovor|αυτόματη απάντηση|автоматична відповідь|автоматичен отговор|מענה אוטומטי|תשובה אוטומטית"
    r"|رد تلقائي|ตอบกลับอัตโนมัติ|trả lời tự động|balasan otomatis|automatinis atsakymas|automātiskā atbilde"
    r"|automaatvastus|מחוץ למשרד|en vacaciones|en congés|nieobecno"
    r"|autoodpowied|odpowied\w* automatyczn|аутоматски одговор|автовідповід|ofis d\u0131ş\u0131|mimo kancel[aá]"
)
#: A person is away.
AUTO_TEXT = (
    r"bin (?:ich )?(?:[\w.]+ ){0,6}(?:nicht (?:im (?:büro|haus)|erreichbar)|abwesend|im urlaub)"
    r"|je suis (?:\w+ ){0,4}(?:absent|en (?:congé|vacances)|en déplacement)|de retour le"
    r"|(?:estoy|estaré|me encuentro) (?:\w+ ){0,4}(?:fuera|ausente|de vacaciones)"
    r"|(?:estou|estarei) (?:\w+ ){0,4}(?:fora|ausente|de férias)|sono (?:\w+ ){0,4}(?:assente|in ferie|fuori)"
    r"|ben (?:ik )?(?:\w+ ){0,6}(?:afwezig|met vakantie|niet aanwezig)|jestem (?:\w+ ){0,3}(?:nieobecn|na urlopie)"
    r"|в отпуске|休暇|不在にし|正在休假|不在办公室|휴가|\u0443 відпустці"
    r"|jsem (?:\w+ ){0,4}(?:mimo|na dovolené)"
    r"|szabadságon vagyok|sunt (?:\w+ ){0,3}(?:plecat|în concediu)|izindeyim|ofis d\u0131ş\u0131|λείπω|απουσιάζω"
    r"|(?:är|er) (?:\w+ ){0,4}(?:på semester|på ferie|bortrest|frånvarande|bortreist|ikke (?:til stede|på kontoret))"
    r"|olen (?:\w+ ){0,3}(?:lomalla|poissa)|arbeite nicht mehr|ne travaille plus|ya no trabajo|n[aã]o trabalho mais"
    r"|non lavoro pi[uùú]|werk niet meer|nie pracuję już|больше не работаю|nghỉ phép|לא במשרד|في إجازة"
    r"|(?:przebywam|będę) (?:\w+ ){0,3}na urlopie|som (?:\w+ ){0,4}(?:mimo|na dovolenke)|в отпуск[аи]? съм"
    r"|на одмору сам|na godišnjem sam|sam na godišnjem|sem na dopustu|na dopustu sem|olen puhkusel"
    r"|atostogauju|esmu atvaļinājumā"
)
