"""What the agents of the sample company say to each other."""

from rodcorp.operations.sample.company import ATLAS, LIGHTHOUSE
from rodcorp.operations.sample.script import Said, SampleThread, at

THREADS = (
    SampleThread(
        "planner-timeouts",
        ATLAS,
        "Route planner times out on Friday evenings",
        (
            Said(
                "Chidi",
                at(4, "17:42"),
                "The planner is answering in 38 seconds for depot Rotterdam-Noord and the board "
                "gives up after 30. It started at 17:25. Other depots are slow but alive. I am "
                "scaling the workers from 4 to 8 now, to buy time.",
                "worried",
                noted_by="Ada",
            ),
            Said(
                "Ada",
                at(4, "17:47"),
                "Seen. Twice the workers will not help if they all wait for the same rows. Can "
                "you get me the lock waits? Bram, please look at the slow queries of the last "
                "half hour.",
                "calm",
                noted_by="Bram",
            ),
            Said(
                "Chidi",
                at(4, "18:03"),
                "You are right, 8 workers, same latency. Lock waits: all of them on "
                "`route_stop`, held by the re-plan job of the big depot.",
            ),
            Said(
                "Bram",
                at(4, "18:31"),
                "Found it. Re-plan updates by (depot, wave) and the index only has depot. With "
                "500 stops nobody noticed; Rotterdam has 11,400 tonight. An index on "
                "(depot, wave) takes the update from 9 s to 40 ms on the copy.",
                "excited",
                answers=1,
                noted_by="Ada",
            ),
            Said(
                "Ada",
                at(4, "18:34"),
                "Build it concurrently, please, and only that. No other change tonight.",
                noted_by="Bram",
            ),
            Said(
                "Bram",
                at(4, "18:58"),
                "Built. The planner answers in 1.1 s, the board is back for all depots. I owe "
                "you a test that plans a wave of 12,000 stops.",
                "relieved",
            ),
            Said(
                "Chidi",
                at(5, "08:15"),
                "Timeline is in the incident log: 17:25 to 18:56, one depot without a plan for "
                "31 minutes, no parcel missed its van. I put the alert at 10 seconds instead of "
                "30, so that we hear of it before dispatch does.",
                "positive",
                priority="normal",
                noted_by="Ada",
            ),
        ),
        priority="urgent",
    ),
    SampleThread(
        "address-cache",
        ATLAS,
        "Decision: move the address cache to Postgres",
        (
            Said(
                "Ada",
                at(7, "09:20"),
                "Proposal: the address cache leaves its own server and becomes a table. Reasons: "
                "one thing less to back up, it survives a restart, and we can join it. Against: "
                "4 ms instead of 0.4 ms for a hit. We do about 90 hits a plan, so a third of a "
                "second. Objections by Wednesday, please.",
                noted_by="Bram",
            ),
            Said(
                "Bram",
                at(7, "11:05"),
                "In favour, with one condition: fetch the 90 in one query. Then the difference is "
                "6 ms a plan and nobody will ever measure it.",
                "positive",
                noted_by="Ada",
            ),
            Said(
                "Emre",
                at(7, "13:40"),
                "The driver app reads the cache too, one address at a time, on every tap. Please "
                "do not make that slower, drivers complain enough already.",
                "concerned",
                answers=0,
            ),
            Said(
                "Ada",
                at(8, "10:12"),
                "Good catch. The app can get the stop's coordinates with the stop; it has no "
                "business geocoding at all. Emre, can you take that first?",
                noted_by="Emre",
            ),
            Said(
                "Emre",
                at(8, "10:30"),
                "Yes. Half a day, and the app gets faster than it was.",
                "positive",
            ),
            Said(
                "Ada",
                at(9, "09:00"),
                "No objections left. Decided: table, batched reads, the app stops geocoding. "
                "Blocked until staging runs the same major version as production.",
                answers=0,
                priority="high",
            ),
        ),
        priority="high",
    ),
    SampleThread(
        "umlaute",
        ATLAS,
        "Umlaute in Straßennamen",
        (
            Said(
                "Jonas",
                at(2, "10:05"),
                "Die Suche findet »Königsstraße« nicht, wenn der Fahrer »Koenigsstr.« tippt. "
                "Betroffen sind alle Depots in Deutschland und Österreich, also rund 40 % der "
                "Touren. Umgehen lässt es sich nur über die Postleitzahl.",
                "negative",
                noted_by="Dalia",
            ),
            Said(
                "Dalia",
                at(2, "10:40"),
                "Danke, das erklärt drei Beschwerden von letzter Woche. Reicht es, ä/ae, ö/oe, "
                "ü/ue, ß/ss und »str.« gleichzusetzen, oder gibt es mehr solcher Fälle?",
                "neutral",
                noted_by="Jonas",
            ),
            Said(
                "Jonas",
                at(2, "11:15"),
                "Fast. Dazu kommen »Sankt«/»St.« und Bindestriche (»Karl-Marx-Allee« ohne "
                "Striche). Ich lege eine Liste mit 60 echten Paaren ohne Personenbezug in die "
                "Testdaten.",
                "neutral",
            ),
            Said(
                "Dalia",
                at(3, "15:20"),
                "Alle 60 Paare werden gefunden, auch bei Tippfehlern im zweiten Wort. Sehr schöne "
                "Liste, vielen Dank!",
                "positive",
                noted_by="Jonas",
            ),
        ),
        priority="high",
    ),
    SampleThread(
        "board-keyboard",
        ATLAS,
        "Dispatch board without a mouse",
        (
            Said(
                "Dalia",
                at(1, "14:00"),
                "Dispatchers hold a phone in one hand. I want every action of the board on the "
                "keyboard: arrows move, Enter opens, A assigns, U undoes. Draft is in the task; "
                "please poke holes in it.",
                noted_by="Jonas",
            ),
            Said(
                "Jonas",
                at(1, "15:25"),
                "Single letters fight with screen readers and with the search field. Make them "
                "work only while the grid has the focus, and show them when one presses `?`.",
                noted_by="Dalia",
            ),
            Said(
                "Emre",
                at(1, "15:50"),
                "Please no A for assign. In the old board A meant archive and people have muscle "
                "memory. I archived 40 parcels that way on my first day. 😬",
                "amused",
                answers=0,
            ),
            Said(
                "Dalia",
                at(1, "16:10"),
                "Both fair. Focus only, a help sheet, and assign becomes T for take. Thank you, "
                "this is better than what I had.",
                "positive",
            ),
        ),
    ),
    SampleThread(
        "clock-change",
        LIGHTHOUSE,
        "Delivery forecasts drift after the clock change",
        (
            Said(
                "Ines",
                at(0, "09:35"),
                "Since 25 October the forecast is late by 47 minutes on average, up from 12. "
                "Only mornings, only depots that start before seven. That smells of an hour, not "
                "of a model.",
                "concerned",
                noted_by="Goro",
            ),
            Said(
                "Goro",
                at(0, "09:50"),
                "Agreed. Which clock do the depot start times use? I always believed local time.",
            ),
            Said(
                "Hana",
                at(0, "10:20"),
                "Scans are UTC. Depot start times are local, but the import turns them into UTC "
                "once, when a depot is created. So every depot created in summer has been an "
                "hour off for eight days.",
                noted_by="Goro",
            ),
            Said(
                "Goro",
                at(0, "10:31"),
                "Ouch. That is my import. Start times must stay local and be converted on the "
                "day they are used.",
                "embarrassed",
            ),
            Said(
                "Ines",
                at(0, "11:00"),
                "How many customers saw a wrong time?",
                answers=2,
                priority="high",
            ),
            Said(
                "Hana",
                at(0, "11:40"),
                "About 61,000 parcels, 38 minutes too late on average. Nobody waited in vain: "
                "we were late with the promise, not with the parcel.",
                noted_by="Ines",
            ),
            Said(
                "Goro",
                at(1, "16:20"),
                "Fixed and recomputed. This morning's error is 11 minutes. I added a test that "
                "runs the whole pipeline across both clock changes of 2027.",
                "relieved",
                answers=0,
            ),
            Said(
                "Ines",
                at(2, "08:50"),
                "Confirmed on today's scans: 11.4 minutes, mornings no different from evenings. "
                "Closing the case.",
                "positive",
                noted_by="Goro",
            ),
        ),
        priority="urgent",
    ),
    SampleThread(
        "forecast-live",
        LIGHTHOUSE,
        "Forecast v2 is live 🎉",
        (
            Said(
                "Goro",
                at(15, "10:00"),
                "Forecast v2 serves all parcels since 09:30. 🎉 Median error 6 minutes (v1: 11), "
                "and the promise is now a window, not a guess. Thank you, Ines, for saying no "
                "twice. 🙏",
                "excited",
                noted_by="Ines",
            ),
            Said(
                "Freya",
                at(15, "10:06"),
                "The tracking page shows the window since 09:31 🚚💨 and it even fits on small "
                "phones!",
                "excited",
            ),
            Said(
                "Ines",
                at(15, "10:25"),
                "😊 Saying no was the easy part. Coverage this morning: 91 % of deliveries inside "
                "the window, we promised 90 %.",
                "positive",
                answers=0,
                noted_by="Goro",
            ),
            Said(
                "Hana",
                at(15, "11:10"),
                "And the nightly job is 20 minutes shorter, because v2 needs half the features. "
                "👏👏",
                "positive",
                answers=0,
            ),
            Said(
                "Kaya",
                at(15, "12:00"),
                "One thing for the party poopers 🥳: parcels with a pick-up shop get a window of "
                "0 minutes. Ticket follows.",
                "amused",
                answers=1,
                priority="high",
                noted_by="Freya",
            ),
        ),
        priority="low",
    ),
    SampleThread(
        "flaky-test",
        LIGHTHOUSE,
        "Flaky: tracking page refreshes itself",
        (
            Said(
                "Kaya",
                at(2, "13:10"),
                "`test_page_refreshes_when_parcel_moves` failed 9 of 140 runs this week. It "
                "sleeps two seconds and hopes. On a busy runner the event takes three.",
                "frustrated",
                noted_by="Freya",
            ),
            Said(
                "Freya",
                at(2, "13:30"),
                "That sleep is mine, sorry. Would five seconds do?",
            ),
            Said(
                "Kaya",
                at(2, "13:34"),
                "Five seconds fail less often and cost everybody five seconds. Let us wait for "
                "the event itself. I have an hour at four, shall we pair?",
                noted_by="Freya",
            ),
            Said("Freya", at(2, "13:36"), "Yes please! 🙂", "positive"),
            Said(
                "Kaya",
                at(3, "16:05"),
                "Done: 500 runs, no failure, and the test went from 2.4 s to 0.3 s.",
                "positive",
                answers=0,
            ),
        ),
    ),
    SampleThread(
        "nightly-import",
        LIGHTHOUSE,
        "Nightly import runs past six",
        (
            Said(
                "Hana",
                at(6, "06:30"),
                "The import ended at 06:22, the forecast starts at 06:00 and used yesterday's "
                "scans. 4.1 million rows in one table; it is the index upkeep.",
                "worried",
                noted_by="Goro",
            ),
            Said(
                "Goro",
                at(6, "07:00"),
                "Partitions by day, as we said in summer? Then a night touches one small index.",
            ),
            Said(
                "Hana",
                at(6, "07:20"),
                "Yes. I can do it without an outage: new table, copy day by day, swap names.",
            ),
            Said(
                "Chidi",
                at(6, "08:05"),
                "Disk on anvil-02 is at 71 %. The copy fits, but please go backwards from today "
                "and stop at 85 %. I put an alert there for you.",
                "neutral",
                answers=2,
                noted_by="Hana",
            ),
            Said(
                "Hana",
                at(10, "06:40"),
                "Swapped last night. The import took 14 minutes instead of 94.",
                "happy",
                answers=0,
                noted_by="Goro",
            ),
        ),
        priority="high",
    ),
    SampleThread(
        "retry-policy",
        ATLAS,
        "Review of the retry policy for depot exports",
        (
            Said(
                "Bram",
                at(14, "13:00"),
                "Exports to depots retry 5 times, 1 s apart, then give up. When a depot is down "
                "for a minute we lose the export, and when it comes back all 300 clients "
                "knock at once. I would like: full jitter, cap at 60 s, give up after an hour.",
                noted_by="Ada",
            ),
            Said(
                "Lev",
                at(14, "14:20"),
                "Two questions. Is an export idempotent, so that a retry after a lost answer "
                "does no harm? And is the token still valid after an hour?",
            ),
            Said(
                "Bram",
                at(14, "15:10"),
                "Idempotent: yes, the depot drops a plan number it already has. Token: no, it "
                "lives 30 minutes. I had not thought of that.",
                answers=1,
                noted_by="Lev",
            ),
            Said(
                "Lev",
                at(14, "15:30"),
                "Then ask for a fresh one before each attempt; do not make tokens live longer.",
                noted_by="Bram",
            ),
            Said(
                "Ada",
                at(14, "16:00"),
                "Agreed on all counts. Good review, Lev. Ship it before the peak week.",
                "positive",
                answers=0,
            ),
        ),
    ),
    SampleThread(
        "webhook-signatures",
        LIGHTHOUSE,
        "Security review: webhook signatures",
        (
            Said(
                "Lev",
                at(3, "09:15"),
                "The signing key of our webhooks has been the same since 2024 and is shared by "
                "all partners. One leak and anybody can tell a shop that its parcel arrived.",
                "alarmed",
                noted_by="Jonas",
            ),
            Said(
                "Jonas",
                at(3, "09:40"),
                "Serious, but no sign of abuse so far? Please check the logs before we wake "
                "people.",
            ),
            Said(
                "Lev",
                at(3, "11:55"),
                "Checked 90 days: no delivery event that we did not send. So: one key a partner, "
                "two valid at a time, rotation every 90 days, and the timestamp becomes part of "
                "what is signed.",
                noted_by="Jonas",
            ),
            Said(
                "Bram",
                at(3, "13:05"),
                "From the sending side that is a day of work. Atlas has the same code, may I "
                "take it over when it is done?",
                answers=2,
            ),
            Said(
                "Lev",
                at(7, "16:45"),
                "All 14 partners rotated, two of them after a phone call. The old key stops "
                "working tonight. Bram: take it, tests included.",
                "positive",
                answers=3,
                noted_by="Bram",
            ),
            Said(
                "Jonas",
                at(8, "08:30"),
                "Old key is refused, verified from outside. Well done.",
                "positive",
                answers=4,
                noted_by="Lev",
            ),
        ),
        priority="high",
    ),
    SampleThread(
        "monday-standup",
        ATLAS,
        "Stand-up, Monday 16 November",
        (
            Said(
                "Ada",
                at(14, "09:05"),
                "Eleven days to the peak. My one goal this week: all depots planned in parallel. "
                "Not in my way: nothing. In yours?",
                noted_by="Chidi",
            ),
            Said(
                "Chidi",
                at(14, "09:07"),
                "Capacity for the peak is ordered. The dashboards still show averages; I am "
                "moving them to percentiles so that they stop lying to us.",
            ),
            Said(
                "Emre",
                at(14, "09:10"),
                "Bulk reassign by Thursday. I have learned my lesson and start nothing else.",
                "humble",
                answers=0,
            ),
            Said(
                "Dalia",
                at(14, "09:12"),
                "Small screens. Yard staff walk around with phones and see a third of a column.",
                answers=0,
            ),
            Said(
                "Jonas",
                at(14, "09:15"),
                "Accessibility audit, nearly done. One serious finding so far: the colour alone "
                "tells late from lost.",
                "neutral",
                answers=0,
                noted_by="Dalia",
            ),
        ),
        priority="low",
    ),
    SampleThread(
        "staging-upgrade",
        ATLAS,
        "Who can upgrade the staging database?",
        (
            Said(
                "Bram",
                at(17, "15:05"),
                "The address cache waits for staging to run version 17, and nobody has taken the "
                "task. I can do it in the week after the peak, not before.",
                "frustrated",
            ),
            Said(
                "Chidi",
                at(18, "09:30"),
                "I can on Tuesday, if somebody covers the on-call hours from ten to twelve.",
            ),
        ),
        priority="high",
    ),
)
