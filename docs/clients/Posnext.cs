// Sign an order, submit it, poll it to its end and verify every answer. .NET 8, no packages.
//
// ORDER.json              submits it; exit status: 0 placed, 1 rejected or errored, 2 not known yet, 3 refused or not believed
// --vectors VECTORS.json  checks Digest() against the published signing vectors

using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Net.Http;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using System.Threading;
using System.Threading.Tasks;

/// <summary>Ends the run with an exit status and a line that says why.</summary>
internal sealed class Stop : Exception
{
    public Stop(int status, string message) : base(message) => Status = status;
    public int Status { get; }
}

/// <summary>An answer that has been verified.</summary>
internal sealed class Answer
{
    public string Text { get; set; }
    public JsonElement Order { get; set; }
    public HttpResponseHeaders Headers { get; set; }
    public string Status => Posnext.Text(Posnext.Get(Order, "status"));
}

internal static class Posnext
{
    private static readonly string BaseUrl = Setting("POSNEXT_URL", "http://127.0.0.1:3000").TrimEnd('/');
    private static readonly string ClientSecret = Setting("POSNEXT_CLIENT_SECRET", "local-client-secret-0123456789abcdef");
    private static readonly string SharedId = Setting("POSNEXT_SHARED_ID", "a1b2c3d4e5f6a7b8c9d0");
    private static readonly TimeSpan GiveUp = TimeSpan.FromSeconds(double.Parse(Setting("POSNEXT_GIVE_UP_S", "90"), CultureInfo.InvariantCulture));
    private static readonly System.Diagnostics.Stopwatch Clock = System.Diagnostics.Stopwatch.StartNew();

    /// <summary>One answer is waited for so long; a pause that no Retry-After asks for is never longer.</summary>
    private const int AnswerSeconds = 30, LongestPauseSeconds = 20;

    /// <summary>No redirect is followed: the token is for this server alone.</summary>
    private static readonly HttpClient Http =
        new HttpClient(new HttpClientHandler { AllowAutoRedirect = false }) { Timeout = TimeSpan.FromSeconds(AnswerSeconds) };

    private static string Setting(string name, string otherwise) => Environment.GetEnvironmentVariable(name) ?? otherwise;

    /// <summary>A JWT (HS256) signed with the Client Secret, good for five minutes.</summary>
    private static string Token()
    {
        var now = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        var claims = FormattableString.Invariant($"{{\"iat\":{now},\"exp\":{now + 300}}}");
        var signed = Base64Url(Encoding.UTF8.GetBytes("{\"alg\":\"HS256\",\"typ\":\"JWT\"}")) + "." + Base64Url(Encoding.UTF8.GetBytes(claims));
        return signed + "." + Base64Url(Mac(ClientSecret, signed));
    }

    private static string Base64Url(byte[] data) => Convert.ToBase64String(data).TrimEnd('=').Replace('+', '-').Replace('/', '_');

    private static byte[] Mac(string key, string message) => HMACSHA256.HashData(Encoding.UTF8.GetBytes(key), Encoding.UTF8.GetBytes(message));

    private static JsonElement Parse(string text)
    {
        using (var document = JsonDocument.Parse(text)) return document.RootElement.Clone();
    }

    /// <summary>A member of an object; what is absent has the kind Undefined.</summary>
    internal static JsonElement Get(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) ? value : default;

    private static bool Has(JsonElement element, string name) => Get(element, name).ValueKind != JsonValueKind.Undefined;

    internal static string Text(JsonElement value) => value.ValueKind == JsonValueKind.String ? value.GetString() : "0";

    /// <summary>An amount x 100, half away from zero. decimal is exact; as a double, 19.99 x 100 is 1998.99..., cast to 1998.</summary>
    private static long Cents(JsonElement value) => value.ValueKind == JsonValueKind.Number && value.TryGetDecimal(out var amount)
        ? decimal.ToInt64(decimal.Round(amount * 100m, MidpointRounding.AwayFromZero))
        : 0;

    /// <summary>Unix seconds, the fraction dropped; 0 for what is no date-time with an offset.</summary>
    private static long Seconds(string text)
    {
        var match = Regex.Match(text, @"\A([0-9-]{10}T[0-9:]{8})(?:\.[0-9]+)?(?:Z|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))\z");
        const DateTimeStyles utc = DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal;
        if (!DateTime.TryParseExact(match.Groups[1].Value, "yyyy-MM-dd'T'HH:mm:ss", CultureInfo.InvariantCulture, utc, out var time)) return 0;
        var offset = match.Groups[2].Success ? int.Parse(match.Groups[3].Value) * 3600 + int.Parse(match.Groups[4].Value) * 60 : 0;
        return new DateTimeOffset(time).ToUnixTimeSeconds() - (match.Groups[2].Value == "-" ? -offset : offset);
    }

    /// <summary>The x-pch-digest of a request's or an answer's body, over the six values it says; one that it does not say is 0.</summary>
    private static string Digest(string body, string sharedId)
    {
        var order = Parse(body);
        var details = Get(order, "order_details");
        var ids = new[] { Get(order, "request_uid"), Get(order, "location_id"), Get(details, "online_order_id") }.Select(Text);
        var amounts = new[] { Get(details, "grand_total"), Get(details, "subtotal") }.Select(Cents);
        var numbers = amounts.Append(Seconds(Text(Get(order, "request_datetime")))).Select(number => number.ToString(CultureInfo.InvariantCulture));
        var message = string.Join("|", ids.Concat(numbers));
        var key = Encoding.UTF32.GetString(Encoding.UTF32.GetBytes(sharedId), 0, 4 * 10); // ten characters, not ten chars
        return Convert.ToHexString(Mac(key, message)).ToLowerInvariant();
    }

    /// <summary>Whether an answer's x-pch-digest is that of its own values, compared in constant time.</summary>
    private static bool Verify(string body, HttpResponseHeaders headers)
    {
        var given = headers.TryGetValues("x-pch-digest", out var values) ? string.Join(",", values) : "";
        try
        {
            return CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(Digest(body, SharedId)), Encoding.UTF8.GetBytes(given));
        }
        catch (Exception error) when (error is JsonException || error is OverflowException || error is InvalidOperationException)
        {
            return false; // no JSON, or a number that is no amount
        }
    }

    /// <summary>As long as the answer says; else exponential back-off with full jitter.</summary>
    private static async Task Pause(TimeSpan? retryAfter, int tries)
    {
        var wait = retryAfter ?? TimeSpan.FromSeconds(Random.Shared.NextDouble() * Math.Min(LongestPauseSeconds, Math.Pow(2, tries + 1)));
        if (Clock.Elapsed + wait >= GiveUp)
        {
            throw new Stop(2, $"not known after {GiveUp.TotalSeconds} s: read the order later, or submit it again under the same request_uid");
        }
        await Task.Delay(wait);
    }

    /// <summary>Asks until there is an answer, and verifies it before it is believed.</summary>
    private static async Task<Answer> Ask(string step, string requestUid, Func<HttpRequestMessage> request, string last)
    {
        for (var tries = 0; ; tries++)
        {
            TimeSpan? retryAfter = null;
            var said = "no answer";
            try
            {
                using (var sending = request())
                using (var patience = new CancellationTokenSource(TimeSpan.FromSeconds(Math.Max(1, (GiveUp - Clock.Elapsed).TotalSeconds))))
                {
                    sending.Headers.Authorization = new AuthenticationHeaderValue("Bearer", Token());
                    using (var answer = await Http.SendAsync(sending, patience.Token))
                    {
                        var code = (int)answer.StatusCode;
                        var text = await answer.Content.ReadAsStringAsync();
                        if (code != 429 && code < 500) return Believe(step, requestUid, code, answer.Headers, text, last);
                        said = code.ToString(CultureInfo.InvariantCulture);
                        retryAfter = answer.Headers.RetryAfter?.Delta;
                    }
                }
            }
            catch (Exception error) when (error is HttpRequestException || error is OperationCanceledException || error is IOException)
            {
            }
            // Not done, or nobody knows. The same request_uid with the same content is safe to send again: it is not done twice.
            Console.WriteLine($"{step} {said}");
            await Pause(retryAfter, tries);
        }
    }

    private static Answer Believe(string step, string requestUid, int code, HttpResponseHeaders headers, string text, string last)
    {
        if (code == 304) text = last; // nothing has changed, and what was read last is what the signature is over
        var signed = text != null && Verify(text, headers);
        if (code != 200 && code != 202 && code != 304)
        {
            var reason = Regex.Match(text ?? "", "\"code\"\\s*:\\s*\"(\\w+)\"").Groups[1].Value;
            throw new Stop(3, $"refused {code} {reason}{(signed ? "" : " (not signed with our SharedId)")}");
        }
        // An error's digest is over no order and fits any body without one: it must be this order that the answer is about.
        if (!signed || Text(Get(Parse(text), "request_uid")) != requestUid)
        {
            throw new Stop(3, $"{step} {code} wrong signature: nothing of this answer is believed");
        }
        var believed = new Answer { Text = text, Order = Parse(text), Headers = headers };
        Console.WriteLine($"{step} {code} {believed.Status}");
        return believed;
    }

    private static Task<Answer> Submit(string requestUid, string order) => Ask("submit", requestUid, () =>
    {
        var content = new StringContent(order, Encoding.UTF8, "application/json");
        var request = new HttpRequestMessage(HttpMethod.Post, BaseUrl + "/posnext/order/submit") { Content = content };
        request.Headers.Add("x-pch-digest", Digest(order, SharedId));
        return request;
    }, null);

    private static Task<Answer> Poll(string requestUid, Answer last) => Ask("poll", requestUid, () =>
    {
        var request = new HttpRequestMessage(HttpMethod.Get, BaseUrl + "/posnext/orders/" + requestUid);
        if (last.Headers.ETag != null) request.Headers.IfNoneMatch.Add(last.Headers.ETag);
        return request;
    }, last.Text);

    /// <summary>Puts in the ids and the time that an order lacks; in its text, for an order written anew could say other amounts.</summary>
    private static (string RequestUid, string Order) FillIn(string text)
    {
        var order = Parse(text);
        var uid = Guid.NewGuid().ToString();
        var now = DateTime.UtcNow.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
        foreach (var member in new Dictionary<string, string> { ["request_uid"] = uid, ["request_datetime"] = now })
        {
            if (!Has(order, member.Key)) text = new Regex("{").Replace(text, $"{{\"{member.Key}\":\"{member.Value}\",", 1);
        }
        if (!Has(Get(order, "order_details"), "online_order_id"))
        {
            text = new Regex(@"(""order_details""\s*:\s*{)(?=\s*"")").Replace(text, $"$1\"online_order_id\":\"ORD-{uid}\",", 1);
        }
        return (Text(Get(Parse(text), "request_uid")), text);
    }

    private static async Task Run(string path)
    {
        var (requestUid, order) = FillIn(File.ReadAllText(path));
        Console.WriteLine($"order {requestUid}");
        var answer = await Submit(requestUid, order);
        for (var tries = 0; !new[] { "placed", "rejected", "errored" }.Contains(answer.Status); tries++) // 202 is no success yet
        {
            await Pause(answer.Headers.RetryAfter?.Delta, tries);
            answer = await Poll(requestUid, answer);
        }
        if (answer.Status == "placed") throw new Stop(0, $"placed {Text(Get(Get(answer.Order, "order_details"), "pos_order_id"))}");
        var errors = Get(answer.Order, "errors");
        var list = errors.ValueKind == JsonValueKind.Array ? errors.EnumerateArray().ToArray() : Array.Empty<JsonElement>();
        throw new Stop(1, $"{answer.Status} {string.Join(" ", list.Select(error => Text(Get(error, "code"))))}");
    }

    private static void Vectors(string path)
    {
        var published = Parse(File.ReadAllText(path));
        var sharedId = Text(Get(published, "shared_id"));
        var vectors = Get(published, "vectors").EnumerateArray().ToList();
        var wrong = new List<string>();
        foreach (var vector in vectors)
        {
            var same = Digest(Text(Get(vector, "body")), sharedId) == Text(Get(vector, "digest"));
            if (same != (Text(Get(vector, "expect")) == "sign")) wrong.Add(Text(Get(vector, "name")));
        }
        var line = string.Join(" ", wrong.Prepend($"{vectors.Count - wrong.Count} of {vectors.Count} vectors right"));
        throw new Stop(wrong.Count > 0 || vectors.Count == 0 ? 1 : 0, line);
    }

    private static async Task<int> Main(string[] args)
    {
        try
        {
            if (SharedId.Trim().Length < 10 || args.Length < 1) throw new Stop(3, "usage: ORDER.json; a SharedId has at least 10 characters");
            if (args[0] == "--vectors") Vectors(args[1]);
            else await Run(args[0]);
            return 3;
        }
        catch (Exception error) when (error is Stop || error is IOException || error is JsonException)
        {
            Console.WriteLine(error.Message); // what is no Stop is a file that is missing or no JSON: nothing was sent
            return error is Stop stop ? stop.Status : 3;
        }
    }
}
