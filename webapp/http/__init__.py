"""What every request passes: headers, languages, proxies, error pages."""
