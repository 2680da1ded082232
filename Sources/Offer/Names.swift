// Plausible invented names, in the writing of several languages. Countries are real; towns, clubs, people and horses
// are put together from parts.

struct Country {
    let code: String
    let name: String
    let flavour: Flavour

    /// The id of the region.
    var id: String { code.lowercased() }
}

enum Flavour {
    case english, romance, germanic, nordic, slavic, greek, japanese

    fileprivate var townParts: (first: [String], last: [String]) {
        switch self {
        case .english:
            (
                ["Ash", "Brook", "Clay", "Dun", "Elm", "Fair", "Green", "Hart", "King", "Lang", "Mill", "North", "Oak"],
                ["borough", "bridge", "bury", "field", "ford", "ham", "ley", "mouth", "port", "stead", "ton", "wick"]
            )
        case .romance:
            (
                ["San Martín de ", "Villa", "Monte", "Puerto ", "Santa Inés de ", "São João de ", "Châtel-", "Val", "Río "],
                ["alba", "bravo", "claro", "dorada", "émont", "fría", "longo", "nueva", "río", "seca", "verde", "zarzal"]
            )
        case .germanic:
            (
                ["Alten", "Bären", "Eichen", "Grün", "Hohen", "König", "Linden", "Müns", "Neu", "Ober", "Rüders", "Stein"],
                ["bach", "berg", "brück", "burg", "dorf", "feld", "hausen", "heim", "kirchen", "rode", "stadt", "walde"]
            )
        case .nordic:
            (
                ["Ål", "Bjørn", "Elv", "Fjell", "Gran", "Hög", "Iso", "Järv", "Kvæ", "Lång", "Møll", "Nøre", "Østr", "Sæl"],
                ["borg", "by", "dal", "fors", "havn", "hamn", "mäki", "nes", "stad", "sund", "sör", "vik", "ås"]
            )
        case .slavic:
            (
                ["Biał", "Březn", "Černo", "Dobr", "Głog", "Hradišt", "Jasen", "Kameni", "Łęcz", "Mlad", "Novo", "Žilin"],
                ["any", "ava", "ec", "ice", "ín", "ivka", "ov", "owo", "sk", "šov", "yně", "ów"]
            )
        case .greek:
            (
                ["Αγία ", "Νέα ", "Παλαιά ", "Άνω ", "Κάτω ", "Μεγάλη "],
                ["Δάφνη", "Ελιά", "Θέα", "Καλλονή", "Λίμνη", "Μαρίνα", "Πηγή", "Ράχη", "Σκάλα", "Φωτεινή"]
            )
        case .japanese: (["青", "北", "黒", "桜", "白", "高", "東", "新", "松", "美", "若"], ["浜", "川", "木", "町", "野", "原", "島", "山", "沢"])
        }
    }

    fileprivate var clubs: [String] {
        switch self {
        case .english: ["* FC", "* United", "* Town", "* Rovers", "* Athletic", "* Wanderers", "* City"]
        case .romance: ["Real *", "Atlético *", "Deportivo *", "CD *", "Olympique *", "AC *", "União *"]
        case .germanic: ["FC *", "SV *", "TSV *", "Eintracht *", "* 04", "VfL *", "Borussia *"]
        case .nordic: ["* IF", "* BK", "IFK *", "* FK", "* Idrettslag", "FC *"]
        case .slavic: ["Slavia *", "FK *", "Dynamo *", "* Hradec", "KS *", "Sparta *", "Górnik *"]
        case .greek: ["ΑΟ *", "ΠΑΣ *", "Ατρόμητος *", "Άρης *"]
        case .japanese: ["*FC", "ヴェント*", "*ユナイテッド", "レアル*"]
        }
    }

    fileprivate var people: (given: [String], family: [String]) {
        switch self {
        case .english: (["Alan", "Grace", "Ned", "Ruth", "Tom"], ["Ashby", "Cole", "Hartley", "Marlowe", "Pym", "Wren"])
        case .romance: (["Álvaro", "Inês", "José", "Lucía", "René"], ["Nuñez", "Ibáñez", "Gonçalves", "Béraud", "Rossi"])
        case .germanic: (["Jürgen", "Käthe", "Lutz", "Sönke", "Ute"], ["Großmann", "Köhler", "Vögel", "Weiß", "Zöllner"])
        case .nordic: (["Åsa", "Bjørn", "Liv", "Søren", "Väinö"], ["Ødegård", "Lindström", "Mäkelä", "Sørli", "Åkesson"])
        case .slavic: (["Jiří", "Łukasz", "Mária", "Zoë", "Žofia"], ["Dvořáček", "Kowalczuk", "Novotňák", "Šimůnek", "Wójt"])
        case .greek: (["Άννα", "Νίκος", "Ελένη"], ["Παππάς", "Βλάχος", "Δήμου", "Ρήγας"])
        case .japanese: (["愛", "健", "翔", "陽菜"], ["高野", "北川", "松原", "青木"])
        }
    }
}

extension Random {
    mutating func town(_ flavour: Flavour) -> String {
        let parts = flavour.townParts
        return pick(parts.first) + pick(parts.last)
    }

    /// A club's full and short name.
    mutating func club(_ flavour: Flavour) -> (name: String, town: String) {
        let town = town(flavour)
        let form = pick(flavour.clubs).split(separator: "*", omittingEmptySubsequences: false)
        return (form.joined(separator: town), town)
    }

    mutating func person(_ flavour: Flavour) -> (given: String, family: String) {
        let people = flavour.people
        return (pick(people.given), pick(people.family))
    }

    mutating func horse() -> String {
        let first = [
            "Silent", "Crème", "Golden", "Último", "Midnight", "Señor", "Northern", "Brave", "Étoile", "Lucky", "Ruby",
            "Wild", "Fürst", "Distant", "Smart", "Velvet",
        ]
        let last = [
            "Thunder", "de la Nuit", "Harbour", "Piñata", "Promise", "Comète", "Whisper", "Kavalier", "Lagoon", "Arrow",
            "Señorita", "Dancer", "Øre", "Legend", "Tempest", "Mirage",
        ]
        return pick(first) + " " + pick(last)
    }
}

extension Country {
    static let all: [Country] = [
        Country(code: "ENG", name: "England", flavour: .english), Country(code: "ESP", name: "España", flavour: .romance),
        Country(code: "GER", name: "Deutschland", flavour: .germanic), Country(code: "SWE", name: "Sverige", flavour: .nordic),
        Country(code: "CZE", name: "Česko", flavour: .slavic), Country(code: "GRE", name: "Ελλάδα", flavour: .greek),
        Country(code: "JPN", name: "日本", flavour: .japanese), Country(code: "SCO", name: "Scotland", flavour: .english),
        Country(code: "FRA", name: "France", flavour: .romance), Country(code: "AUT", name: "Österreich", flavour: .germanic),
        Country(code: "NOR", name: "Norge", flavour: .nordic), Country(code: "POL", name: "Polska", flavour: .slavic),
        Country(code: "CYP", name: "Κύπρος", flavour: .greek), Country(code: "IRL", name: "Éire", flavour: .english),
        Country(code: "POR", name: "Portugal", flavour: .romance), Country(code: "SUI", name: "Schweiz", flavour: .germanic),
        Country(code: "DEN", name: "Danmark", flavour: .nordic), Country(code: "SVK", name: "Slovensko", flavour: .slavic),
        Country(code: "AUS", name: "Australia", flavour: .english), Country(code: "BRA", name: "Brasil", flavour: .romance),
        Country(code: "FIN", name: "Suomi", flavour: .nordic), Country(code: "SRB", name: "Srbija", flavour: .slavic),
        Country(code: "IND", name: "India", flavour: .english), Country(code: "MEX", name: "México", flavour: .romance),
        Country(code: "USA", name: "United States", flavour: .english), Country(code: "ARG", name: "Argentina", flavour: .romance),
        Country(code: "NZL", name: "New Zealand", flavour: .english), Country(code: "CIV", name: "Côte d’Ivoire", flavour: .romance),
    ]
}
