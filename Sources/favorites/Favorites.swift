@main struct Favorites { static func main() {} }
