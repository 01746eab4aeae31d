"""What applies to every request: headers, languages, proxies, error pages."""
